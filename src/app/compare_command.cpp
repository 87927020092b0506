#include "llmsize/app/compare_command.hpp"

#include <algorithm>

#include "llmsize/app/estimate_report.hpp"
#include "llmsize/render/comparison.hpp"

namespace llmsize::app {

Result<Outcome> compare(const Services& services, const Host& host,
                        const std::vector<ComparedOptions>& columns, bool json) {
  std::vector<ComparedReport> reports;
  std::optional<Error> first_error;
  bool any_sized = false, any_fits = false;
  for (const auto& column : columns) {
    EstimateOptions options = column.options;
    auto sized = estimate_report(services, host, options);
    if (!sized) {
      if (!first_error) first_error = sized.error();
      reports.push_back({column.label, std::nullopt, sized.error().message});
      continue;
    }
    any_sized = true;
    any_fits = any_fits || exit_status_of(options, sized->report) == exit_status::done;
    reports.push_back({column.label, std::move(sized->report), {}});
  }
  if (!any_sized && first_error) return tl::unexpected(*first_error);
  return Outcome{json ? render::comparison_json(reports) : render::comparison_text(reports),
                 any_fits ? exit_status::done : exit_status::does_not_fit};
}

}  // namespace llmsize::app
