#include <algorithm>

#include <fmt/format.h>

#include "llmsize/app/fit_search.hpp"
#include "llmsize/app/model_stores.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/gguf/shards.hpp"

namespace llmsize::app {
namespace {

/// Folders of folders of publishers and repositories.
constexpr int models_dir_depth = 3;

/// Names for -m of the GGUF files below a folder; of shards only the first.
std::vector<std::string> gguf_files_below(const Services& services, const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& path : files_below(services.files, folder, models_dir_depth)) {
    if (!lower_case(path).ends_with(".gguf")) continue;
    const auto shard = gguf::parse_shard_name(path);
    if (shard && shard->path(1) != path) continue;
    names.push_back(folder + "/" + path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// What the stores hold that the engine can load; `notes` says what it cannot.
std::vector<std::string> stored_files(const Services& services, std::vector<std::string>& notes) {
  std::vector<std::string> names;
  std::size_t unconverted = 0;
  for (const auto& model : local_models(services)) {
    if (services.files.is_folder(model.path))
      ++unconverted;
    else
      names.push_back(model.name);
  }
  if (unconverted > 0)
    notes.push_back(
        fmt::format("{} folders of safetensors are left out: the engine loads GGUF files", unconverted));
  return names;
}

bool in_range(const FitOptions& options, ParamCount total) {
  return (!options.lowest_params || total >= *options.lowest_params) &&
         (!options.highest_params || total <= *options.highest_params);
}

}  // namespace

Result<void> search_local(const Services& services, const Host& host, const FitOptions& options,
                          std::size_t most, FitReport& report) {
  if (!options.models_dir.empty() && !services.files.is_folder(options.models_dir))
    return fail(ErrorCode::not_found, fmt::format("{}: is no folder", options.models_dir),
                "--models-dir takes a folder with GGUF files.");
  const auto losses = catalog::load_quant_losses(services.catalog);
  if (!losses) return tl::unexpected(losses.error());
  const auto names = options.models_dir.empty() ? stored_files(services, report.notes)
                                                : gguf_files_below(services, options.models_dir);
  report.considered = names.size();
  for (const auto& name : names) {
    SizingRequest request = options.estimate.sizing;
    request.model = name;
    std::string why;
    auto row = fit_row(services, host, options, request, why);
    if (!why.empty()) report.notes.push_back(fmt::format("{} is left out: {}", name, why));
    if (!row || !in_range(options, row->estimate.model.total_params)) continue;
    row->estimate.model.id = name;
    const auto loss = losses->find(row->estimate.artifact.quant);
    row->rank.value = equivalent_params(row->estimate.model.total_params, row->estimate.model.active_params) *
                      retained_quality(loss == losses->end() ? 0 : loss->second);
    report.rows.push_back(std::move(*row));
  }
  std::stable_sort(report.rows.begin(), report.rows.end(), [](const FitRow& a, const FitRow& b) {
    const Fit fit = a.estimate.verdict.fit, other = b.estimate.verdict.fit;
    return fit != other ? fit < other : ranks_before(a.rank, b.rank);
  });
  if (report.rows.size() > most) {
    report.rows.resize(most);
    report.more = true;
  }
  return {};
}

}  // namespace llmsize::app
