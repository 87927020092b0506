#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "llmsize/app/outcome.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/guide_report.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::app {

/// What the exact columns need of a model: bytes on disk, of its cache, and of the whole process.
struct GuideSizes {
  Bytes file;
  Bytes kv_cache;
  Bytes overhead;  ///< Scratch, output and runtime of one server.
  Bytes total;     ///< Without the prompt cache.
  ParamCount params;
  std::optional<ParamCount> active_params;
};

/// Sizes a catalog model at a quant and context.
using GuideSizer = std::function<Result<GuideSizes>(const std::string& model, const std::string& quant,
                                                    std::int64_t context)>;

/// The estimate engine as a sizer, for one slot.
GuideSizer exact_guide_sizer(const Services& services);

/// Every printed table of data/guide.json beside what the formulas and `sizer` give.
/// Errors: malformed for a broken table; a model that cannot be sized is said in its row.
Result<GuideReport> guide_report(const Services& services, const GuideSizer& sizer);

/// `llmsize catalog show guide`.
Result<Outcome> show_guide(const Services& services, bool json);

}  // namespace llmsize::app
