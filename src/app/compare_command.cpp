#include "llmsize/app/compare_command.hpp"

#include <fmt/format.h>

#include "llmsize/app/estimate_report.hpp"
#include "llmsize/render/comparison.hpp"

namespace llmsize::app {

Result<Outcome> compare(const Services& services, const std::vector<ComparedOptions>& columns, bool json) {
  std::vector<ComparedReport> reports;
  bool any_fits = false;
  for (const auto& column : columns) {
    EstimateOptions options = column.options;
    auto sized = estimate_report(services, column.host, options);
    if (!sized) {
      Error error = sized.error();
      error.message = fmt::format("item \"{}\": {}", column.label, error.message);
      return tl::unexpected(std::move(error));
    }
    any_fits = any_fits || exit_status_of(options, sized->report) == exit_status::done;
    reports.push_back({column.label, std::move(sized->report), {}});
  }
  return Outcome{json ? render::comparison_json(reports) : render::comparison_text(reports),
                 any_fits ? exit_status::done : exit_status::does_not_fit};
}

}  // namespace llmsize::app
