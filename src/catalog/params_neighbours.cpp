#include "llmsize/catalog/params_neighbours.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/hyperparameters.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/core/cache.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize::catalog {
namespace {

/// Models further from the size asked for than this factor say nothing about it, unless there are too few.
constexpr double farthest_total = 4;

/// What is decided before a model is expanded: whether it is of the kind asked for, and its distance.
struct Candidate {
  EntryReference entry;
  double distance = 0;
};

/// Grouped attention: fewer key/value heads than heads, and neither latent attention nor recurrent layers.
bool has_grouped_attention(const Hyperparameters& h) {
  for (const char* key : {"attention.kv_lora_rank", "ssm.inner_size", "shortconv.l_cache", "wkv.head_size"})
    if (h.integer(key)) return false;
  const auto heads = h.integer("attention.head_count"), kv_heads = h.integer("attention.head_count_kv");
  return heads && kv_heads && *kv_heads < *heads;
}

std::optional<Candidate> candidate(const Catalog& catalog, const EntryReference& entry,
                                   const ParamsRequest& request) {
  const auto document = catalog.parse(entry);
  if (!document || document->contains("missing") || !document->contains("hyperparameters"))
    return std::nullopt;
  const auto values = read_hyperparameters((*document)["hyperparameters"]);
  if (!values) return std::nullopt;
  const bool mixture = values->expert_count() > 0;
  if (mixture != request.active.has_value() || (!mixture && !has_grouped_attention(*values)))
    return std::nullopt;
  std::optional<ParamCount> active;
  if (const auto stated = document->find("active_params");
      stated != document->end() && stated->is_number_integer() && stated->get<std::int64_t>() > 0)
    active = ParamCount(stated->get<std::int64_t>());
  if (mixture && !active) return std::nullopt;
  return Candidate{entry, params_distance(request, ParamCount(entry.total_params), active)};
}

bool covers_whole_context(const ContextLayout& layout) {
  return std::all_of(layout.begin(), layout.end(), [](const CachedLayer& cached) {
    const auto* attention = std::get_if<AttentionCache>(&cached.memory);
    return attention != nullptr && attention->kind == AttentionCache::Kind::full;
  });
}

}  // namespace

std::optional<ParamsNeighbour> size_as_neighbour(const Catalog& catalog, const TypeTable& types,
                                                 const EntryReference& entry, bool mixture,
                                                 const FileType& file_type, const RunRequest& run) {
  auto model = load_model(catalog, entry);
  if (!model) return std::nullopt;
  const auto architecture = load_architecture(catalog, model->architecture);
  if (!architecture) return std::nullopt;
  RunRequest same = run;
  same.context_tokens = run.context_tokens.value_or(default_context);
  const auto resolved = resolve_run(same, *model, *architecture);
  if (!resolved) return std::nullopt;
  const auto layout = context_layout(*model, *architecture, *resolved);
  if (!layout || (!mixture && !covers_whole_context(*layout))) return std::nullopt;
  const auto tensor_types = quantized_types(*model, file_type, types);
  if (!tensor_types) return std::nullopt;

  ParamsNeighbour neighbour;
  neighbour.id = model->id;
  neighbour.total = model->total_params();
  neighbour.active = model->active_params;
  const auto context = context_size(*layout, 0);
  neighbour.context = context.caches + context.states;
  const auto quantized = with_types(*std::move(model), *tensor_types);
  neighbour.tensors = weight_sizes(quantized).tensors;
  neighbour.weights = engine_weights_size(quantized);
  return neighbour;
}

std::vector<ParamsNeighbour> params_neighbours(const Catalog& catalog, const TypeTable& types,
                                               const ParamsRequest& request, const FileType& file_type,
                                               const RunRequest& run,
                                               const std::function<bool(const EntryReference&)>& allowed) {
  auto entries = catalog.list("model");
  const auto distance = [&](const EntryReference& entry) {
    return params_distance({request.total, std::nullopt}, ParamCount(entry.total_params), std::nullopt);
  };
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [&](const EntryReference& entry) {
                                 return entry.total_params <= 0 || (allowed && !allowed(entry));
                               }),
                entries.end());
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const auto& a, const auto& b) { return distance(a) < distance(b); });

  std::set<std::int64_t> seen;
  std::vector<Candidate> candidates;
  for (const auto& entry : entries) {
    // Twice as many, because some turn out to have windows. Dense candidates come nearest first; mixtures are
    // ranked by their active parameters too.
    const bool enough = candidates.size() >= 2 * params_neighbour_count;
    if (enough && (!request.active || distance(entry) > std::log(farthest_total))) break;
    if (seen.contains(entry.total_params)) continue;
    if (auto found = candidate(catalog, entry, request)) {
      seen.insert(entry.total_params);
      candidates.push_back(*std::move(found));
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.distance < b.distance; });

  std::vector<ParamsNeighbour> neighbours;
  for (const auto& near : candidates) {
    if (neighbours.size() == params_neighbour_count) break;
    if (auto sized =
            size_as_neighbour(catalog, types, near.entry, request.active.has_value(), file_type, run))
      neighbours.push_back(*std::move(sized));
  }
  return neighbours;
}

}  // namespace llmsize::catalog
