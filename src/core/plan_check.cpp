#include "llmsize/core/plan_check.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace llmsize {
namespace {

Bytes need_in(const CheckedInstance& instance, const std::string& pool) {
  Bytes need;
  for (const auto& [name, bytes] : instance.needs)
    if (name == pool) need += bytes;
  return need;
}

/// Bytes of one pool that the instances take together; WARM ones of one place take turns.
Bytes use_of(const std::vector<const CheckedInstance*>& instances, const std::string& pool) {
  Bytes sum;
  std::map<std::string, Bytes> peaks;
  std::set<std::string> mapped;  // Pages of a file exist once in a pool.
  for (const auto* instance : instances) {
    const Bytes need = need_in(*instance, pool);
    if (instance->tier == PlanTier::hot) {
      sum += need;
      const bool here = need > Bytes(0) && !instance->shared_file.empty();
      if (here && !mapped.insert(instance->shared_file).second) sum -= instance->shared_bytes;
    } else {
      peaks[instance->pool] = std::max(peaks[instance->pool], need);
    }
  }
  for (const auto& [place, peak] : peaks) sum += peak;
  return sum;
}

bool is_there(const PlanCheck& check, const CheckedInstance& instance) {
  return std::all_of(instance.needs.begin(), instance.needs.end(), [&](const auto& need) {
    return std::any_of(check.pools.begin(), check.pools.end(),
                       [&](const CheckedPool& pool) { return pool.id == need.first; });
  });
}

}  // namespace

bool PlanCheck::fits() const {
  return std::all_of(instances.begin(), instances.end(), [](const CheckedInstance& i) { return i.fits; });
}

void judge_plan(PlanCheck& check) {
  std::vector<CheckedInstance*> by_priority;
  for (auto& instance : check.instances) by_priority.push_back(&instance);
  std::stable_sort(
      by_priority.begin(), by_priority.end(),
      [](const CheckedInstance* a, const CheckedInstance* b) { return a->priority < b->priority; });
  std::vector<const CheckedInstance*> all, kept;
  for (CheckedInstance* instance : by_priority) {
    all.push_back(instance);
    kept.push_back(instance);
    instance->fits = is_there(check, *instance) &&
                     std::all_of(check.pools.begin(), check.pools.end(), [&](const CheckedPool& pool) {
                       return use_of(kept, pool.id) <= pool.budget;
                     });
    if (!instance->fits) kept.pop_back();
  }
  for (auto& pool : check.pools) pool.used = use_of(all, pool.id);
}

}  // namespace llmsize
