#include "llmsize/app/guide_comparison.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/find_model.hpp"
#include "llmsize/catalog/guide.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

using Json = nlohmann::ordered_json;

double gigabytes(Bytes size) {
  return static_cast<double>(size.value()) / 1e9;
}

/// What the guides say about one model on one machine.
struct GuideAnswer {
  std::string name;
  ParamCount params;
  std::string quant;
  double multiplier = 0;
  TokenCount context;
  Bytes size;
  Bytes kv_cache;
  std::string size_tier;
  std::optional<MemoryBudget> budget;
  std::optional<GuideVramCheck> card;
};

std::optional<double> multiplier_of(const GuideMultipliers& multipliers, const std::string& quant) {
  for (const auto& [id, multiplier] : multipliers)
    if (lower_case(id) == lower_case(quant)) return multiplier;
  return std::nullopt;
}

Result<GuideAnswer> answer(const Services& services, const EstimateOptions& options) {
  const auto factors = catalog::load_guide_factors(services.catalog);
  if (!factors) return tl::unexpected(factors.error());
  const auto multipliers = catalog::load_guide_multipliers(services.catalog);
  if (!multipliers) return tl::unexpected(multipliers.error());
  const auto tiers = catalog::load_size_tiers(services.catalog);
  if (!tiers) return tl::unexpected(tiers.error());

  GuideAnswer guide;
  guide.quant = options.sizing.quant;
  if (options.params) {
    guide.params = *options.params;
    guide.name = params_text(guide.params) + " parameters";
  } else {
    const auto model = find_model(services, options.sizing.model, guide.quant);
    if (!model) return tl::unexpected(model.error());
    guide.params = model->total_params();
    guide.name = model->name;
  }
  if (guide.quant.empty()) guide.quant = default_file_type;
  const auto multiplier = multiplier_of(*multipliers, guide.quant);
  if (!multiplier)
    return fail(
        ErrorCode::unsupported, fmt::format("the guide has no multiplier for \"{}\"", guide.quant),
        "It knows F16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M and Q2_K; leave out --method guide for others.");
  guide.multiplier = *multiplier;
  guide.context = TokenCount(options.sizing.run.context_tokens.value_or(default_context));
  guide.size = guide_model_size(guide.params, guide.multiplier, *factors);
  guide.kv_cache = guide_kv_cache(guide.context, *factors);
  guide.size_tier = size_tier_text(guide.params, *tiers);
  if (options.ram) {
    guide.budget = guide_budget(*options.ram, *factors);
    guide.card = guide_vram_check(guide.size, guide.context, *options.ram, *factors);
  }
  return guide;
}

std::string answer_json(const GuideAnswer& guide) {
  Json document = {{"schema", "llmsize.guide/1"},
                   {"method", "guide"},
                   {"model", guide.name},
                   {"total_params", guide.params.value()},
                   {"size_tier", guide.size_tier},
                   {"quant", guide.quant},
                   {"multiplier", guide.multiplier},
                   {"size_bytes", guide.size.value()},
                   {"context_tokens", guide.context.value()},
                   {"kv_bytes", guide.kv_cache.value()},
                   {"budget", nullptr},
                   {"checklist", nullptr}};
  if (guide.budget)
    document["budget"] = {{"total_bytes", guide.budget->total.value()},
                          {"os_reserve_bytes", guide.budget->os_reserve.value()},
                          {"safety_bytes", guide.budget->safety.value()},
                          {"available_bytes", guide.budget->available.value()},
                          {"hot_bytes", guide.budget->hot.value()},
                          {"warm_bytes", guide.budget->warm.value()}};
  if (guide.card)
    document["checklist"] = {
        {"weights_bytes", guide.card->weights.value()},     {"kv_bytes", guide.card->kv_cache.value()},
        {"framework_bytes", guide.card->framework.value()}, {"total_bytes", guide.card->total.value()},
        {"headroom_bytes", guide.card->headroom.value()},   {"fits", guide.card->fits()}};
  return document.dump(2) + '\n';
}

std::string answer_text(const GuideAnswer& guide) {
  const double billions = static_cast<double>(guide.params.value()) / 1e9;
  std::string page = fmt::format(
      "By the guide's rule of thumb {} at {} takes {:.1f} GB; leave out --method guide for the exact "
      "answer.\n\n",
      guide.name, guide.quant, gigabytes(guide.size));
  page += fmt::format("Size       {:.3g} B x {} x 1.1 = {:.2f} GB (tier of models: {})\n", billions,
                      guide.multiplier, gigabytes(guide.size), guide.size_tier);
  page += fmt::format("KV cache   {} tokens at 2 GB per 8,192 = {:.2f} GB (stated for a 14B at Q4)\n",
                      grouped(guide.context.value()), gigabytes(guide.kv_cache));
  if (guide.budget)
    page += fmt::format("Budget     {} - {} system - {} safety = {} for models: {} HOT, {} WARM\n",
                        size_text(guide.budget->total), size_text(guide.budget->os_reserve),
                        size_text(guide.budget->safety), size_text(guide.budget->available),
                        size_text(guide.budget->hot), size_text(guide.budget->warm));
  if (guide.card)
    page += fmt::format(
        "Checklist  weights + KV cache + 0.5 GB = {:.2f} GB: {} GB of headroom if --ram is a card\n",
        gigabytes(guide.card->total), fmt::format("{:.2f}", gigabytes(guide.card->headroom)));
  return page;
}

}  // namespace

std::optional<GuideComparison> guide_comparison(const Services& services, const EstimateReport& report) {
  const auto factors = catalog::load_guide_factors(services.catalog);
  const auto multipliers = catalog::load_guide_multipliers(services.catalog);
  if (!factors || !multipliers) return std::nullopt;
  const auto multiplier = multiplier_of(*multipliers, report.artifact.quant);
  if (!multiplier) return std::nullopt;
  GuideComparison comparison;
  comparison.size = guide_model_size(report.model.total_params, *multiplier, *factors);
  const Bytes exact =
      report.footprint.weights.size + report.footprint.kv_cache.size + report.footprint.state.size;
  if (exact <= Bytes(0) || exact.is_saturated() || comparison.size.is_saturated()) return std::nullopt;
  constexpr double percent = 100;
  comparison.difference_percent =
      percent * static_cast<double>((comparison.size - exact).value()) / static_cast<double>(exact.value());
  return comparison;
}

Result<Outcome> guide_estimate(const Services& services, const EstimateOptions& options) {
  const auto guide = answer(services, options);
  if (!guide) return tl::unexpected(guide.error());
  return Outcome{options.json ? answer_json(*guide) : answer_text(*guide)};
}

}  // namespace llmsize::app
