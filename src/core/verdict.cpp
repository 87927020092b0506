#include <algorithm>

#include "llmsize/core/footprint.hpp"

namespace llmsize {
namespace {

Fit fit_of(Bytes need, Bytes droppable, Bytes budget) {
  if (need <= budget) return Fit::resident;
  return need - droppable <= budget && droppable > Bytes(0) ? Fit::pages_from_disk : Fit::cannot;
}

}  // namespace

const char* fit_name(Fit fit) {
  constexpr const char* names[] = {"resident", "pages_from_disk", "cannot", "unknown"};
  return names[static_cast<int>(fit)];
}

Verdict judge(const Footprint& footprint, const Fact<Bytes>& budget, const std::string& bound_by) {
  Verdict verdict;
  verdict.bound_by = bound_by;
  verdict.budget = budget;
  if (!budget.known()) return verdict;
  const Bytes droppable = footprint.locked ? Bytes(0) : footprint.file_backed;
  const Bytes need = footprint.high;
  verdict.headroom = *budget.value - need;
  verdict.fit = fit_of(need, droppable, *budget.value);
  const bool incomplete = !footprint.kv_cache.known || !footprint.compute.known;
  if (incomplete && verdict.fit != Fit::cannot) verdict.fit = Fit::unknown;
  verdict.prompt_cache_decides =
      verdict.fit != fit_of(need - footprint.prompt_cache.high, droppable, *budget.value) && !incomplete;
  return verdict;
}

PagingPerToken paging_per_token(const Footprint& footprint, Bytes budget, Bytes read_per_token) {
  const Bytes missing = footprint.high - budget;
  if (missing <= Bytes(0) || footprint.file_backed <= Bytes(0)) return {};
  // Of the weights one token reads, the part that finds no room; a token that reads little may find it all.
  const Bytes room = std::max(Bytes(0), footprint.file_backed - missing);
  return {std::max(Bytes(0), read_per_token - room), read_per_token};
}

}  // namespace llmsize
