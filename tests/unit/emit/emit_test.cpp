#include <cstdlib>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/kubernetes.hpp"
#include "llmsize/emit/units.hpp"
#include "llmsize/emit/words.hpp"

using namespace llmsize;

namespace {

Server server(const std::string& id, PlanTier tier, std::int64_t port) {
  Server made;
  made.id = id;
  made.roles = {id};
  made.tier = tier;
  made.pool = "ram";
  made.model = "model-" + id;
  made.quant = "Q4_K_M";
  made.memory = made.host_memory = gibibytes(4);
  made.file = {"Model-" + id + "-Q4_K_M.gguf", Bytes(4'000'000'000), "maker/Model-GGUF"};
  made.port = port;
  made.settings = {{"--model", "/srv/my models/Model-" + id + "-Q4_K_M.gguf"},
                   {"--ctx-size", "8192"},
                   {"--kv-unified", ""}};
  return made;
}

/// Two HOT servers, one of them bound to a node and shared by two roles, and two that take turns.
Deployment deployment() {
  Deployment made;
  made.title = "a plan made by hand";
  made.engine = "llama-server";
  made.document = "{}\n";
  made.models_dir = "/srv/my models";
  made.first_port = 8080;
  made.servers = {server("front", PlanTier::hot, 8080), server("coder", PlanTier::hot, 8081),
                  server("general", PlanTier::warm, 8082), server("coding", PlanTier::warm, 8083)};
  made.servers[0].roles = {"front", "workers"};
  made.servers[1].numa_node = 1;
  made.servers[1].cpus = {8, 9, 10, 11};
  made.servers[1].locked = true;
  made.servers[3].memory = made.servers[3].host_memory = gibibytes(9);
  made.servers[3].load_seconds = 42.4;
  return made;
}

FleetDeployment single(Deployment deployment) {
  FleetDeployment fleet;
  fleet.title = deployment.title;
  fleet.classes.push_back({"", "", {}, std::move(deployment)});
  return fleet;
}

std::string golden_path(const std::string& format, const std::string& file) {
  return std::string(LLMSIZE_SOURCE_DIR) + "/tests/data/emitted/" + format + "/" + file;
}

}  // namespace

TEST_CASE("Every format is laid out as its golden files show") {
  const bool rewrite = std::getenv("LLMSIZE_REWRITE_GOLDENS") != nullptr;
  for (const auto& emitter : emit::emitters())
    for (const auto& file : emitter.emit(single(deployment()))) {
      const std::string path = golden_path(emitter.id, file.name);
      if (rewrite) std::ofstream(path) << file.content;
      std::ifstream stream(path);
      std::stringstream expected;
      expected << stream.rdbuf();
      INFO(path);
      CHECK(file.content == expected.str());
    }
}

TEST_CASE("An empty plan is still well-formed in every format") {
  for (const auto& emitter : emit::emitters()) {
    Deployment empty;
    empty.engine = "llama-server";
    INFO(emitter.id);
    CHECK_NOTHROW(emitter.emit(single(empty)));
  }
}

TEST_CASE(
    "Formats for one host give each class of a fleet a folder with the files that it would have alone") {
  FleetDeployment fleet;
  fleet.document = "{\"fleet\": true}\n";
  fleet.classes = {{"big", "big", {"n1", "n2"}, deployment()}, {"small", "small", {"n3"}, deployment()}};
  fleet.classes[1].deployment.servers.resize(1);
  for (const std::string id : {"json", "shell", "llama-swap", "llama-server", "systemd", "compose"})
    for (const auto& emitter : emit::emitters()) {
      if (emitter.id != id) continue;
      std::vector<std::pair<std::string, std::string>> expected, given;
      if (id == "json") expected.emplace_back("fleet.json", fleet.document);
      for (const auto& hosts : fleet.classes)
        for (const auto& file : emitter.emit(single(hosts.deployment)))
          expected.emplace_back(hosts.id + "/" + file.name, file.content);
      for (const auto& file : emitter.emit(fleet)) given.emplace_back(file.name, file.content);
      CHECK(given == expected);
    }
}

TEST_CASE(
    "Servers that share a GPU start together, count its devices from 0, and divide what processors there "
    "are") {
  Deployment planned = deployment();
  for (auto& one : planned.servers) {
    one.threads = 9;
    one.settings.push_back({"--threads", "9"});
  }
  const auto on = [](std::vector<std::int64_t> devices, Server& one) {
    one.backend = "cuda";
    one.devices = std::move(devices);
    one.settings.push_back({"--device", "machine's"});
  };
  planned.servers.push_back(server("third", PlanTier::hot, 8084));
  on({2}, planned.servers[0]);
  on({3}, planned.servers[1]);
  on({2, 3}, planned.servers[4]);
  emit::UnitRules rules;
  rules.reserves = rules.own_cpus = rules.renumbers_gpus = true;
  const auto division = emit::divided(planned, rules);
  REQUIRE(division.units.size() == 2);
  const auto& together = division.units[0];
  CHECK(together.processes.size() == 3);
  CHECK(together.devices == std::vector<std::int64_t>{2, 3});
  CHECK(together.host_memory == gibibytes(12));
  CHECK(division.units[1].id == "warm-ram");
  CHECK(division.units[1].host_memory == gibibytes(9) + emit::router_allowance);
  // Nine but one, over two units, and the first one's over its three processes.
  CHECK(together.threads == 4);
  const auto said = [&](std::size_t index, const std::string& flag) {
    std::string value;
    for (const auto& setting : division.deployment.servers[index].settings)
      if (setting.flag == flag) value = setting.value;
    return value;
  };
  CHECK(said(0, "--threads") == "1");
  CHECK(said(2, "--threads") == "4");
  CHECK(said(0, "--device") == "CUDA0");
  CHECK(said(1, "--device") == "CUDA1");
  CHECK(said(4, "--device") == "CUDA0,CUDA1");
}

TEST_CASE(
    "Names of Kubernetes objects stay within a label's length and characters, and differ where their words "
    "do") {
  CHECK(emit::object_name({"llmsize", "coder_escalation", "ram64-1a2b3c"}) ==
        "llmsize-coder-escalation-ram64-1a2b3c");
  const std::string longest = emit::object_name({"llmsize", std::string(60, 'a'), "ram64"});
  CHECK(longest.size() == 63);
  CHECK(longest != emit::object_name({"llmsize", std::string(60, 'a'), "ram128"}));
  CHECK(emit::object_name({"ends_"}).back() != '-');
}

TEST_CASE("Servers that map one file ask for its pages once, and together") {
  Deployment planned = deployment();
  for (const std::size_t index : {0U, 1U, 3U}) {
    planned.servers[index].mapped_file = "same.gguf";
    planned.servers[index].mapped = gibibytes(3);
  }
  emit::UnitRules rules;
  CHECK(emit::divided(planned, rules).units.size() == 3);
  rules.reserves = true;
  const auto units = emit::divided(planned, rules).units;
  REQUIRE(units.size() == 1);
  // 4 GiB, then 4 and 9 without the 3 that are there already.
  CHECK(units[0].host_memory == gibibytes(4 + 1 + 6) + emit::router_allowance);
}

TEST_CASE("Words for a shell are quoted exactly where something in them is special") {
  CHECK(emit::shell_quoted("/srv/models/a-b_1.gguf") == "/srv/models/a-b_1.gguf");
  CHECK(emit::shell_quoted("a b") == "'a b'");
  CHECK(emit::shell_quoted("it's") == "'it'\\''s'");
  CHECK(emit::shell_quoted("") == "''");
  CHECK(emit::shell_quoted("$(x)") == "'$(x)'");
}
