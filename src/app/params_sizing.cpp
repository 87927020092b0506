#include "llmsize/app/params_sizing.hpp"

namespace llmsize::app {

Result<EstimateReport> size_params(const Services&, ParamCount, std::optional<ParamCount>,
                                   const SizingRequest&) {
  return fail(ErrorCode::unsupported, "not landed");
}

}  // namespace llmsize::app
