#include "llmsize/core/plan_check.hpp"

#include <algorithm>

namespace llmsize {
namespace {

Bytes use_of(const std::vector<const CheckedInstance*>& instances) {
  Bytes hot, peak;
  for (const auto* instance : instances)
    if (instance->tier == PlanTier::hot)
      hot += instance->memory;
    else
      peak = std::max(peak, instance->memory);
  return hot + peak;
}

}  // namespace

bool PlanCheck::fits() const {
  return std::all_of(instances.begin(), instances.end(), [](const CheckedInstance& i) { return i.fits; });
}

void judge_plan(PlanCheck& check) {
  std::vector<CheckedInstance*> by_priority;
  for (auto& instance : check.instances) {
    instance.fits = false;
    by_priority.push_back(&instance);
  }
  std::stable_sort(
      by_priority.begin(), by_priority.end(),
      [](const CheckedInstance* a, const CheckedInstance* b) { return a->priority < b->priority; });
  for (auto& pool : check.pools) {
    std::vector<const CheckedInstance*> all, kept;
    for (CheckedInstance* instance : by_priority) {
      if (instance->pool != pool.id) continue;
      all.push_back(instance);
      kept.push_back(instance);
      instance->fits = use_of(kept) <= pool.budget;
      if (!instance->fits) kept.pop_back();
    }
    pool.used = use_of(all);
  }
}

}  // namespace llmsize
