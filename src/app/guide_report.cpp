#include "llmsize/app/guide_report.hpp"

#include <map>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/sizing.hpp"
#include "llmsize/catalog/guide.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/catalog/tiers.hpp"
#include "llmsize/render/guide.hpp"

namespace llmsize::app {
namespace {

using nlohmann::json;

constexpr double giga = 1e9;
constexpr double percent = 100;
constexpr const char* reference_quant = "Q4_K_M";
constexpr std::int64_t reference_context = 8192;

double number(const json& object, const char* key, double otherwise = 0) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : otherwise;
}

std::string text(const json& object, const char* key, const char* otherwise = "") {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::int64_t whole(const json& object, const char* key, std::int64_t otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

double gigabytes(Bytes size) {
  return static_cast<double>(size.value()) / giga;
}

double gibibytes_of(Bytes size) {
  return static_cast<double>(size.value()) / static_cast<double>(gibibytes(1).value());
}

/// Everything that a rule may consult.
struct Context {
  const Services& services;
  const GuideSizer& sizer;
  GuideFactors factors;
  GuideMultipliers multipliers;
  std::vector<SizeTier> size_tiers;
  std::vector<TierRule> tiers;
  QuantLosses losses;
};

/// A check being computed: its row in data/guide.json and the table around it.
struct Task {
  const json& check;
  const json& table;
  [[nodiscard]] std::string model() const { return text(check, "model"); }
  [[nodiscard]] std::string quant() const { return text(check, "quant", reference_quant); }
  [[nodiscard]] std::int64_t context() const { return whole(check, "context", reference_context); }
  [[nodiscard]] Bytes ram() const { return gibibytes(whole(check, "ram", 0)); }
};

using Rule = std::function<void(const Context&, const Task&, GuideCheck&)>;

/// Runs `use` on the exact sizes, or says why there are none.
void with_sizes(const Context& context, const Task& task, GuideCheck& out,
                const std::function<double(const GuideSizes&)>& use) {
  const auto sizes = context.sizer(task.model(), task.quant(), task.context());
  if (sizes)
    out.computed = use(*sizes);
  else
    out.unknown_because = sizes.error().message;
}

std::optional<double> multiplier(const Context& context, const std::string& quant) {
  const auto found = context.multipliers.find(quant);
  if (found == context.multipliers.end()) return std::nullopt;
  return found->second;
}

double bits_per_weight(const GuideSizes& sizes) {
  return 8.0 * static_cast<double>(sizes.file.value()) / static_cast<double>(sizes.params.value());
}

/// The rows of a table that are not totals, of one tier where the check names one.
std::vector<const json*> summed_rows(const Task& task) {
  std::vector<const json*> rows;
  const std::string tier = text(task.check, "tier");
  for (const auto& row : task.table.at("rows"))
    if (row.contains("value") && (tier.empty() || text(row, "tier") == tier)) rows.push_back(&row);
  return rows;
}

double printed_sum(const Task& task) {
  double sum = 0;
  for (const json* row : summed_rows(task)) sum += number(*row, "value");
  return sum;
}

void guide_size(const Context& context, const Task& task, GuideCheck& out) {
  out.what = "the guide's formula";
  const auto factor = multiplier(context, task.quant());
  if (factor)
    out.computed =
        gigabytes(guide_model_size(ParamCount(whole(task.check, "params", 0)), *factor, context.factors));
  else
    out.unknown_because = "the guide has no multiplier for " + task.quant();
}

void exact_size(const Context& context, const Task& task, GuideCheck& out) {
  out.what = fmt::format("exact file of {} at {}", task.model(), task.quant());
  with_sizes(context, task, out, [](const GuideSizes& s) { return gigabytes(s.file); });
}

/// Sizes of every model of a row that holds several.
void exact_sizes(const Context& context, const Task& task, GuideCheck& out) {
  out.what = "exact files together";
  double sum = 0;
  const auto& models = task.check.at("models");
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto sizes = context.sizer(models.at(i).get<std::string>(),
                                     task.check.at("quants").at(i).get<std::string>(), reference_context);
    if (!sizes) {
      out.unknown_because = sizes.error().message;
      return;
    }
    sum += gigabytes(sizes->file);
  }
  out.computed = sum;
}

void exact_sum(const Context& context, const Task& task, GuideCheck& out) {
  out.what = "exact files of the rows";
  double sum = 0;
  for (const json* row : summed_rows(task)) {
    for (const auto& check : row->at("checks")) {
      GuideCheck part;
      const Task inner{check, task.table};
      const std::string rule = text(check, "rule");
      if (rule == "exact_size") exact_size(context, inner, part);
      if (rule == "exact_sizes") exact_sizes(context, inner, part);
      if (!part.unknown_because.empty()) {
        out.unknown_because = part.unknown_because;
        return;
      }
      sum += part.computed.value_or(0);
    }
  }
  out.computed = sum;
}

void budget(const Context& context, const Task& task, GuideCheck& out) {
  const std::string part = text(task.check, "part");
  const MemoryBudget answer = guide_budget(task.ram(), context.factors);
  out.what = fmt::format("the guide's calculator, {}", part);
  out.computed = gibibytes_of(part == "hot" ? answer.hot : part == "warm" ? answer.warm : answer.available);
}

void remaining(const Context& context, const Task& task, GuideCheck& out) {
  out.what = "the guide's budget less the printed rows";
  out.computed = gibibytes_of(guide_budget(task.ram(), context.factors).available) - printed_sum(task);
}

void sum_against_hot_budget(const Context& context, const Task& task, GuideCheck& out) {
  const double hot = gibibytes_of(guide_budget(task.ram(), context.factors).hot);
  out.what = "printed HOT rows";
  out.computed = printed_sum(task);
  out.note = fmt::format("the guide's own HOT budget is {:.2f}", hot);
}

void headroom(const Context&, const Task& task, GuideCheck& out) {
  out.what = "the card less the printed rows";
  out.computed = number(task.check, "capacity") - printed_sum(task);
}

void tier(const Context& context, const Task& task, GuideCheck& out) {
  out.what = fmt::format("the script's tier at {} GB", whole(task.check, "ram", 0));
  const auto found = tier_of(task.ram(), context.tiers);
  out.computed_text = found ? found->rule.name : "none";
}

void size_tier(const Context& context, const Task& task, GuideCheck& out) {
  out.what = task.model() + " by parameters";
  const auto sizes = context.sizer(task.model(), reference_quant, reference_context);
  if (sizes)
    out.computed_text = size_tier_text(sizes->params, context.size_tiers);
  else
    out.unknown_because = sizes.error().message;
}

void divergence(const Context& context, const Task& task, GuideCheck& out) {
  out.what = fmt::format("published KL divergence of {}", task.quant());
  const auto found = context.losses.find(task.quant());
  if (found != context.losses.end())
    out.computed = found->second;
  else
    out.unknown_because = "none was published for it";
}

void role_priority(const Context& context, const Task& task, GuideCheck& out) {
  out.what = "priority in data/roles.json";
  const auto role = catalog::load_role(context.services.catalog, text(task.check, "role"));
  if (role)
    out.computed = role->priority;
  else
    out.unknown_because = role.error().message;
}

void role_set(const Context& context, const Task& task, GuideCheck& out) {
  out.what = "llmsize plan --roles " + text(task.check, "set");
  const auto roles = catalog::load_role_set(context.services.catalog, text(task.check, "set"));
  if (!roles) {
    out.unknown_because = roles.error().message;
    return;
  }
  for (const auto& role : *roles)
    out.computed_text += (out.computed_text.empty() ? "" : ", ") + role.id + (role.cloud ? " (cloud)" : "");
}

void published(const Context&, const Task& task, GuideCheck& out) {
  out.what = "published elsewhere: " + text(task.check, "source");
  out.computed = number(task.check, "low");
  out.computed_high = number(task.check, "high");
}

void factor(const Context& context, const Task& task, GuideCheck& out) {
  const std::string name = text(task.check, "factor");
  out.what = "the calculator's " + name;
  const double value = name == "framework_overhead"
                           ? static_cast<double>(context.factors.framework_overhead.value())
                           : context.factors.safety_share;
  out.computed = value * number(task.check, "scale", 1);
}

void guide_gate(const Context& context, const Task& task, GuideCheck& out) {
  const double room = number(task.check, "printed");
  out.what = fmt::format("tokens whose KV cache fits {:.3g} GB by the guide's rule", room);
  out.printed_low = out.printed_high = std::nullopt;
  out.computed_text = fmt::format(
      "{}", guide_context_gate(Bytes(static_cast<std::int64_t>(room * giga)), context.factors).value());
}

void exact_gate(const Context& context, const Task& task, GuideCheck& out) {
  const double room = number(task.check, "printed") * giga;
  out.what = fmt::format("tokens whose KV cache fits exactly, {}", task.model());
  const auto sizes = context.sizer(task.model(), reference_quant, reference_context);
  if (!sizes || sizes->kv_cache.value() <= 0) {
    out.unknown_because = sizes ? "it keeps no KV cache" : sizes.error().message;
    return;
  }
  out.printed_low = out.printed_high = std::nullopt;
  const double per_token = static_cast<double>(sizes->kv_cache.value()) / reference_context;
  out.computed_text = fmt::format("{}", static_cast<std::int64_t>(room / per_token));
}

/// The rules that data/guide.json may name.
const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> table = {
      {"guide_size", guide_size},
      {"exact_size", exact_size},
      {"exact_sizes", exact_sizes},
      {"exact_sum", exact_sum},
      {"guide_budget", budget},
      {"remaining", remaining},
      {"sum_against_hot_budget", sum_against_hot_budget},
      {"headroom", headroom},
      {"tier", tier},
      {"size_tier", size_tier},
      {"kl_divergence", divergence},
      {"role_priority", role_priority},
      {"role_set", role_set},
      {"published", published},
      {"factor", factor},
      {"guide_gate", guide_gate},
      {"exact_gate", exact_gate},
      {"sum",
       [](const Context&, const Task& task, GuideCheck& out) {
         out.what = "all printed rows together";
         out.computed = printed_sum(task);
       }},
      {"statement", [](const Context&, const Task&, GuideCheck& out) { out.what = "llmsize"; }},
      {"policy",
       [](const Context&, const Task& task, GuideCheck& out) {
         out.what = "llmsize plan";
         out.computed_text = "--policy " + text(task.check, "policy");
       }},
      {"decode_speed",
       [](const Context&, const Task& task, GuideCheck& out) {
         out.what = "decode of " + task.model() + " at " + task.quant();
         out.unknown_because =
             "it follows the machine's memory bandwidth: llmsize estimate --bandwidth GB/s gives it";
       }},
      {"guide_kv",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = fmt::format("the guide's rule for {} tokens", task.context());
         out.computed = gigabytes(guide_kv_cache(TokenCount(task.context()), context.factors));
       }},
      {"exact_kv",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = fmt::format("exact KV cache of {} at {} tokens", task.model(), task.context());
         with_sizes(context, task, out, [](const GuideSizes& s) { return gigabytes(s.kv_cache); });
       }},
      {"exact_overhead",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = fmt::format("exact overhead of {}", task.model());
         with_sizes(context, task, out, [](const GuideSizes& s) { return gigabytes(s.overhead); });
       }},
      {"vram_total",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = fmt::format("exact total of {} at {} tokens", task.model(), task.context());
         with_sizes(context, task, out, [](const GuideSizes& s) { return gigabytes(s.total); });
       }},
      {"bits_per_weight",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = fmt::format("exact bits per weight, {}", task.model());
         with_sizes(context, task, out, bits_per_weight);
       }},
      {"bytes_per_weight",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = "exact multiplier";
         with_sizes(context, task, out, [](const GuideSizes& s) { return bits_per_weight(s) / 8; });
       }},
      {"size_reduction",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = "exact reduction from 16 bits per weight";
         with_sizes(context, task, out,
                    [](const GuideSizes& s) { return percent * (1 - bits_per_weight(s) / 16); });
       }},
      {"total_params",
       [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = "exact parameters";
         with_sizes(context, task, out,
                    [](const GuideSizes& s) { return static_cast<double>(s.params.value()) / giga; });
       }},
      {"active_params", [](const Context& context, const Task& task, GuideCheck& out) {
         out.what = "exact active parameters";
         with_sizes(context, task, out, [](const GuideSizes& s) {
           return static_cast<double>(s.active_params.value_or(s.params).value()) / giga;
         });
       }}};
  return table;
}

void set_printed(const json& check, GuideCheck& out) {
  if (check.contains("printed")) out.printed_low = out.printed_high = number(check, "printed");
  if (check.contains("printed_low")) {
    out.printed_low = number(check, "printed_low");
    out.printed_high = number(check, "printed_high");
  }
  out.printed_text = text(check, "printed_text");
  out.unit = text(check, "unit");
  out.note = text(check, "note");
}

Result<GuideTable> compute_table(const Context& context, const catalog::EntryReference& reference) {
  const auto entry = context.services.catalog.parse(reference);
  if (!entry) return tl::unexpected(entry.error());
  GuideTable table{std::string(reference.id),
                   text(*entry, "title"),
                   text(*entry, "source"),
                   text(*entry, "place"),
                   text(*entry, "note"),
                   {},
                   {}};
  // Shapes that the rules rely on are the schema's (docs/schema/guide_table.schema.json); what a user's own
  // layer gets wrong surfaces here.
  try {
    table.columns = entry->at("columns").get<std::vector<std::string>>();
    for (const auto& row : entry->at("rows")) {
      GuideRow computed;
      computed.cells = row.at("cells").get<std::vector<std::string>>();
      for (const auto& check : row.value("checks", json::array())) {
        const auto rule = rules().find(text(check, "rule"));
        if (rule == rules().end())
          return fail(
              ErrorCode::malformed,
              fmt::format("{}: there is no rule \"{}\"", reference.location.describe(), text(check, "rule")),
              "Run llmsize catalog validate.");
        GuideCheck out;
        set_printed(check, out);
        rule->second(context, {check, *entry}, out);
        computed.checks.push_back(std::move(out));
      }
      table.rows.push_back(std::move(computed));
    }
  } catch (const json::exception& error) {
    return fail(ErrorCode::malformed, fmt::format("{}: {}", reference.location.describe(), error.what()),
                "Compare it with docs/schema/guide_table.schema.json.");
  }
  return table;
}

}  // namespace

GuideSizer exact_guide_sizer(const Services& services) {
  // Tables name the same few models again and again.
  auto known = std::make_shared<std::map<std::string, Result<GuideSizes>>>();
  return [&services, known](const std::string& model, const std::string& quant,
                            std::int64_t context) -> Result<GuideSizes> {
    const std::string key = fmt::format("{} {} {}", model, quant, context);
    if (const auto found = known->find(key); found != known->end()) return found->second;
    SizingRequest request;
    request.model = model;
    request.quant = quant;
    request.run.context_tokens = context;
    request.run.parallel = 1;
    request.residency.repack = false;
    request.residency.prompt_cache_cap = Bytes(0);
    const auto sizing = size_model(services, request);
    if (!sizing) return known->emplace(key, tl::unexpected(sizing.error())).first->second;
    const Footprint& f = sizing->footprint;
    return known
        ->emplace(key, GuideSizes{sizing->file.size, f.kv_cache.size + f.state.size,
                                  f.compute.size + f.output.size + f.runtime.size, f.total,
                                  sizing->model.total_params(), sizing->model.active_params})
        .first->second;
  };
}

Result<GuideReport> guide_report(const Services& services, const GuideSizer& sizer) {
  const auto factors = catalog::load_guide_factors(services.catalog);
  if (!factors) return tl::unexpected(factors.error());
  const auto multipliers = catalog::load_guide_multipliers(services.catalog);
  if (!multipliers) return tl::unexpected(multipliers.error());
  const auto size_tiers = catalog::load_size_tiers(services.catalog);
  if (!size_tiers) return tl::unexpected(size_tiers.error());
  const auto tiers = catalog::load_tiers(services.catalog);
  if (!tiers) return tl::unexpected(tiers.error());
  const auto losses = catalog::load_quant_losses(services.catalog);
  if (!losses) return tl::unexpected(losses.error());
  const Context context{services, sizer, *factors, *multipliers, *size_tiers, *tiers, *losses};
  GuideReport report;
  for (const auto& reference : services.catalog.list("guide_table")) {
    auto table = compute_table(context, reference);
    if (!table) return tl::unexpected(table.error());
    report.tables.push_back(std::move(*table));
  }
  return report;
}

Result<Outcome> show_guide(const Services& services, bool json_wanted) {
  const auto report = guide_report(services, exact_guide_sizer(services));
  if (!report) return tl::unexpected(report.error());
  return Outcome{json_wanted ? render::guide_json(*report) : render::guide_text(*report)};
}

}  // namespace llmsize::app
