#include "llmsize/render/host.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

namespace {

Host sample() {
  Host host;
  host.memory.total = reported(gibibytes(251), "/proc/meminfo (MemTotal)");
  host.memory.available = reported(gibibytes(200), "/proc/meminfo (MemAvailable)");
  host.cpu.model = reported(std::string("Some CPU | 64-Core"), "/proc/cpuinfo");
  host.cpu.isa = measured(std::vector<std::string>{"avx2", "avx512f"}, "CPUID");
  host.cpu.physical_cores = derived(64, "topology");
  host.cpu.caches = {{3, "unified", reported(mebibytes(32), "sysfs"), 8}};
  host.cpu.cores = {{0, 64}, {1, 65}};
  host.limits.cpu_quota_cores = reported(3.5, "/sys/fs/cgroup/cpu.max");
  NumaNode node;
  node.id = 8;
  node.cpus = {0, 1};
  node.kind = derived(std::string("dram"), "processors and memory");
  node.total = reported(gibibytes(251), "sysfs");
  host.numa = {node};
  GpuFacts gpu;
  gpu.name = "GPU";
  gpu.unified = true;
  host.gpus = {gpu};
  host.effective.memory = derived(gibibytes(200), "the least of 1 bounds");
  host.effective.threads = derived(64, "allowed physical cores");
  host.effective.bound_by = "available memory";
  host.warnings = {{"something", "do this."}};
  return host;
}

const std::vector<TierRule> rules = {{"standard", "STANDARD", 128, "One."},
                                     {"production", "PRODUCTION", 256, "Two."}};

}  // namespace

TEST_CASE("a saved probe reads back to the same document") {
  const auto tier = tier_of(gibibytes(251), rules);
  const std::string json = render::host_json(sample(), tier);
  const auto host = render::host_from_json(json, "host.json");
  REQUIRE(host);
  CHECK(render::host_json(*host, tier) == json);
  CHECK(host->memory.total.source == "/proc/meminfo (MemTotal)");
  CHECK(host->memory.total.basis == Basis::reported);
  CHECK_FALSE(host->memory.bandwidth.known());
}

TEST_CASE("a damaged probe is refused with the place") {
  const auto refused = [](const char* text) {
    return render::host_from_json(text, "host.json").error().message;
  };
  CHECK(refused("{") == "host.json: is not JSON");
  CHECK(refused("[]").find("is no saved probe") != std::string::npos);
  CHECK(refused(R"({"schema":"llmsize.probe/1","memory":{"total_bytes":"much"}})") ==
        "host.json: /memory/total_bytes must be a whole number of bytes");
  CHECK(refused(R"({"schema":"llmsize.probe/1","memory":{"total_bytes":-1}})").find("/memory/total_bytes") !=
        std::string::npos);
  CHECK(refused(R"({"schema":"llmsize.probe/1","memory":7})") == "host.json: /memory must be an object");
  CHECK(refused(R"({"schema":"llmsize.probe/1","cpu":{"isa":[1]}})").find("/cpu/isa") != std::string::npos);
  CHECK(refused(R"({"schema":"llmsize.probe/1","numa":{"nodes":[{"id":99999999999}]}})")
            .find("/numa/nodes/0/id") != std::string::npos);
}

TEST_CASE("the page opens with what bounds the host, and says why 251 GiB are no 256") {
  const std::string page = render::host_text(sample(), tier_of(gibibytes(251), rules), false);
  CHECK(page.find("STANDARD: up to 200.00 GiB for models with 64 threads, bound by available memory.") == 0);
  CHECK(page.find("a \"256 GB\" machine reports 251 GiB") != std::string::npos);
  CHECK(page.find("Warning: something. do this.") != std::string::npos);
  CHECK(page.find("--available") == std::string::npos);
}

TEST_CASE("an unknown fact names the flag that supplies it") {
  const std::string page = render::host_text(Host(), std::nullopt, false);
  CHECK(page.find("--ram supplies it") != std::string::npos);
  CHECK(page.find("unknown (--cores supplies it)") != std::string::npos);
}

TEST_CASE("a bar in a name does not break a Markdown table") {
  CHECK(render::host_markdown(sample(), std::nullopt).find("Some CPU \\| 64-Core") != std::string::npos);
}

TEST_CASE("a name from a recording commands no terminal and ends no line of a table") {
  Host host = sample();
  host.cpu.model = reported(std::string("CPU \x1b]0;title\x07\n| x"), "a recording");
  host.warnings.push_back({"\x1b[2J", ""});
  for (const std::string& page :
       {render::host_text(host, std::nullopt, true), render::host_markdown(host, std::nullopt)}) {
    CHECK(page.find('\x1b') == std::string::npos);
    CHECK(page.find("title") != std::string::npos);
    CHECK(page.find("\n| x") == std::string::npos);
  }
}

TEST_CASE("two probes differ where their facts do, not where the sources do") {
  Host other = sample();
  other.memory.total = measured(gibibytes(251), "elsewhere");
  const auto json = [](const Host& host) { return render::host_json(host, std::nullopt); };
  CHECK(render::host_difference(json(sample()), json(other), false)->find("same facts") != std::string::npos);
  other.cpu.physical_cores = derived(32, "topology");
  CHECK(render::host_difference(json(sample()), json(other), false) ==
        std::string("/cpu/physical_cores: 64 -> 32\n"));
  CHECK_FALSE(render::host_difference("{}", "{}", true).has_value());
}

TEST_CASE("any fact can be stated by its name") {
  const auto stated = render::with_stated_facts(
      sample(), {"memory.swap_total_bytes=7", "numa.nodes.0.kind=cxl", "platform.os=My Linux 1",
                 "limits.allowed_cpus=[0,1]", "cpu.model=null"});
  REQUIRE(stated);
  CHECK(stated->memory.swap_total.value == Bytes(7));
  CHECK(stated->memory.swap_total.basis == Basis::overridden);
  CHECK(stated->numa.at(0).kind.value == "cxl");
  CHECK(stated->platform.os.value == "My Linux 1");
  CHECK(stated->limits.allowed_cpus.value == std::vector<int>{0, 1});
  CHECK_FALSE(stated->cpu.model.known());
  CHECK(stated->memory.total.basis == Basis::reported);

  for (const char* wrong : {"memory.swap", "memory.nothing=1", "=1", "", "cpu.cores.9=1", "a~b=1"})
    CHECK(render::with_stated_facts(sample(), {wrong}).error().code == ErrorCode::usage);
  CHECK(render::with_stated_facts(sample(), {"memory.total_bytes=much"}).error().code == ErrorCode::usage);
}

TEST_CASE("measurements survive saving") {
  Host host = sample();
  host.benchmarks = {
      {"memory.read", "bytes_per_second", "every core", 64, {1e11, 2e11}, 1.5e11, 0.6, "good"}};
  host.memory.measured_bandwidth = measured(BytesPerSecond(1.5e11), "--bench memory");
  const auto again = render::host_from_json(render::host_json(host, std::nullopt), "x");
  REQUIRE(again);
  REQUIRE(again->benchmarks.size() == 1);
  CHECK(again->benchmarks[0].name == "memory.read");
  CHECK(again->benchmarks[0].repetitions == std::vector<double>{1e11, 2e11});
  CHECK(again->memory.measured_bandwidth.basis == Basis::measured);
}
