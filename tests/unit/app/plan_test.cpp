#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/app/estimate_command.hpp"
#include "llmsize/app/guide_comparison.hpp"
#include "llmsize/app/plan_command.hpp"
#include "llmsize/catalog/types.hpp"
#include "support/closed_world.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;
using nlohmann::json;

namespace {

struct World {
  World()
      : catalog(catalog::Catalog::embedded()),
        types(catalog::load_tensor_types(catalog).value()),
        services{files, writer, environment, catalog, types} {}
  test::MemoryFiles files;
  test::NoWriter writer;
  test::NoEnvironment environment;
  catalog::Catalog catalog;
  TypeTable types;
  app::Services services;

  json plan(app::PlanOptions options, int status = 0) {
    options.json = true;
    const auto outcome = app::run_plan(services, {}, options);
    REQUIRE(outcome);
    CHECK(outcome->exit_status == status);
    return json::parse(outcome->text);
  }
};

app::PlanOptions machine(std::int64_t gib) {
  app::PlanOptions options;
  options.ram = gibibytes(gib);
  return options;
}

json role_of(const json& plan, const std::string& name) {
  for (const auto& role : plan["roles"])
    if (role["role"] == name) return role;
  return nullptr;
}

}  // namespace

TEST_CASE("At the guide's five sizes every pool keeps its budget and the guide's roles are served") {
  World world;
  const std::pair<std::int64_t, std::vector<std::string>> sizes[] = {
      {64, {"frontdoor", "workers"}},
      {128, {"frontdoor", "workers", "coder_escalation", "draft"}},
      {256, {"frontdoor", "workers", "coder_escalation", "ingest", "worker_vision", "draft"}},
      {512, {"frontdoor", "workers", "coder_escalation", "ingest", "worker_vision", "architect_general"}},
      {1024,
       {"frontdoor", "workers", "coder_escalation", "ingest", "architect_general", "architect_coding"}}};
  for (const auto& [ram, roles] : sizes) {
    const json plan = world.plan(machine(ram));
    INFO(ram << " GiB");
    for (const auto& role : roles) CHECK(role_of(plan, role)["instance"].is_string());
    for (const auto& pool : plan["pools"]) {
      const std::int64_t used =
          pool["hot_bytes"].get<std::int64_t>() + pool["warm_peak_bytes"].get<std::int64_t>();
      CHECK(used <= pool["capacity_bytes"].get<std::int64_t>() - pool["reserve_bytes"].get<std::int64_t>());
    }
    CHECK(plan["objective"]["gap"] == 0.0);
  }
}

TEST_CASE("Small machines get real models, and mocks for what the guide leaves out") {
  World world;
  for (const std::int64_t ram : {8, 16}) {
    const json plan = world.plan(machine(ram));
    CHECK(role_of(plan, "frontdoor")["instance"].is_string());
    CHECK(role_of(plan, "architect_coding")["status"] == "mock");
  }
  CHECK(world.plan(machine(1), app::exit_status::does_not_fit)["roles"][0]["status"] == "mock");
}

TEST_CASE("Instances cost what estimate says for their command lines") {
  World world;
  const json plan = world.plan(machine(256));
  for (const auto& instance : plan["instances"]) {
    app::EstimateOptions options;
    options.sizing.model = instance["model"];
    options.sizing.quant = instance["quant"];
    options.sizing.run.context_tokens = instance["context_tokens"];
    options.sizing.run.parallel = instance["parallel"];
    options.sizing.run.kv_unified = true;
    options.sizing.residency.prompt_cache_cap = mebibytes(512);
    options.sizing.residency.load_mode =
        instance["run"]["load_mode"] == "none" ? LoadMode::none : LoadMode::mmap;
    options.sizing.companions.catalog_projector = instance["projector_bytes"] > 0;
    options.ram = gibibytes(256);
    options.json = true;
    const auto outcome = app::estimate(world.services, {}, options);
    REQUIRE(outcome);
    INFO(instance["id"]);
    CHECK(json::parse(outcome->text)["memory"]["high_bytes"] == instance["memory_bytes"]);
  }
}

TEST_CASE("Pins and exclusions decide, and an impossible pin is exit status 3") {
  World world;
  auto options = machine(64);
  options.pins = {"frontdoor=qwen2.5-7b-instruct:Q8_0"};
  const json plan = world.plan(options);
  CHECK(plan["instances"][0]["model"] == "qwen2.5-7b-instruct");
  CHECK(plan["instances"][0]["quant"] == "Q8_0");
  options.pins = {"frontdoor=deepseek-r1-0528:Q8_0"};
  world.plan(options, app::exit_status::does_not_fit);
  options.pins = {"nobody=qwen2.5-7b-instruct"};
  CHECK(app::run_plan(world.services, {}, options).error().code == ErrorCode::usage);
}

TEST_CASE("Cloud roles cost no local memory") {
  World world;
  auto options = machine(32);
  options.role_set = "hybrid_routing";
  const json plan = world.plan(options);
  CHECK(role_of(plan, "architect")["status"] == "cloud");
  CHECK(role_of(plan, "editor")["instance"].is_string());
}

TEST_CASE("The guide method computes the guide's own size, and says by how much it is off otherwise") {
  World world;
  app::EstimateOptions options;
  options.params = ParamCount(32'000'000'000);
  options.sizing.quant = "Q4_K_M";
  options.json = true;
  const auto outcome = app::guide_estimate(world.services, options);
  REQUIRE(outcome);
  CHECK(json::parse(outcome->text)["size_bytes"] == 17'600'000'000);  // 32 x 0.5 x 1.1, seed 001.
  options.sizing.quant = "IQ2_XS";
  CHECK(app::guide_estimate(world.services, options).error().code == ErrorCode::unsupported);
}
