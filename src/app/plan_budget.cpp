#include <algorithm>
#include <cmath>

#include "llmsize/app/plan_inputs.hpp"
#include "llmsize/catalog/guide.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

struct Reserve {
  Bytes total, os_reserve;
};

Reserve hypothetical(Bytes total, const GuideFactors& factors, PlanReport& report) {
  report.host = "a machine with " + size_text(total);
  report.bound_by = "--ram";
  report.total_source = "--ram";
  report.os_reserve_source = "the smaller of 16 GiB and a quarter of RAM";
  return {total, default_os_reserve(total, factors)};
}

Result<Reserve> probed(const Host& host, PlanReport& report) {
  if (!host.memory.total.known() || !host.effective.memory.known())
    return fail(ErrorCode::not_found, "this host's memory is unknown",
                "Give --ram SIZE, for example --ram 256.");
  Bytes total = *host.memory.total.value;
  report.total_source = host.memory.total.source;
  if (const auto& limit = host.limits.memory_max; limit.known() && *limit.value < total) {
    total = *limit.value;
    report.total_source = limit.source;
  }
  report.host = host.name.empty() ? "this host" : host.name;
  report.bound_by = host.effective.bound_by;
  report.os_reserve_source = "measured: what is in use now";
  report.threads = host.effective.threads.value;
  report.numa_nodes = std::max<int>(
      1, static_cast<int>(std::count_if(host.numa.begin(), host.numa.end(), [](const NumaNode& node) {
        return !node.cpus.empty() && node.is_system();
      })));
  return Reserve{total, std::max(Bytes(0), total - *host.effective.memory.value)};
}

}  // namespace

Result<void> set_budget(const Services& services, const Host& host, const PlanOptions& options,
                        PlanReport& report) {
  const auto factors = catalog::load_guide_factors(services.catalog);
  if (!factors) return tl::unexpected(factors.error());
  auto found = options.ram ? hypothetical(*options.ram, *factors, report) : probed(host, report);
  if (!found) return tl::unexpected(found.error());
  Bytes reserve = found->os_reserve;
  report.reserve_by_rule = options.ram && !options.guide_method && !options.os_reserve;
  if (options.guide_method) {
    reserve = factors->os_reserve;
    report.os_reserve_source = "the guide's fixed reserve";
  }
  if (options.os_reserve) {
    reserve = *options.os_reserve;
    report.os_reserve_source = "--os-reserve";
  }
  constexpr double percent = 100;
  const double share = options.safety_percent ? *options.safety_percent / percent : factors->safety_share;
  report.safety_source = options.safety_percent ? "--margin" : "the guide's 15 %";
  const Bytes safety(std::llround(static_cast<double>(found->total.value()) * share));
  report.budget = split_budget(found->total, reserve, safety, *factors);
  report.request.pools = {{"ram", "ram", found->total, reserve, safety}};
  // A machine that only --ram describes is assumed to have AVX2, as nearly every x86 server has.
  report.residency.isa = options.ram ? std::vector<std::string>{"avx2"} : host.cpu.isa.value_or({"avx2"});
  report.residency.prompt_cache_cap = options.prompt_cache;
  report.residency.load_mode = options.load_mode.value_or(LoadMode::mmap);
  return {};
}

}  // namespace llmsize::app
