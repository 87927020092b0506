#include <nlohmann/json.hpp>

#include "estimate_document.hpp"
#include "llmsize/render/fit.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json rank_json(const FitRow& row) {
  return {{"value", row.rank.value},
          {"size_class", row.rank.scored ? Json() : Json(size_class_of(row.rank.value))},
          {"by", row.rank.scored ? "score" : "equivalent_params"},
          {"basis",
           {{"value",
             {{"basis", basis_name(Basis::assumed)},
              {"source", row.rank.scored
                             ? row.score->source + ", times the likelihood that the quant keeps"
                             : "the geometric mean of total and active parameters, times the likelihood "
                               "that the quant keeps, times two for every 16 months since January 2023"}}}}}};
}

Json score_json(const std::optional<SharedScore>& score) {
  if (!score) return {};
  return {{"value", score->value},
          {"benchmark", score->benchmark},
          {"basis", {{"value", {{"basis", basis_name(Basis::reported)}, {"source", score->source}}}}}};
}

/// What a reader of the table needs, under the keys that llmsize.estimate/1 has for it.
Json row_json(const FitRow& row) {
  const Json estimate = estimate_document(row.estimate);
  const Json& memory = estimate.at("memory");
  return {{"model", row.estimate.model.id},
          {"name", row.estimate.model.name},
          {"family", text_or_null(row.family)},
          {"license", text_or_null(row.license)},
          {"released", text_or_null(row.released)},
          {"source", estimate.at("model").at("source")},
          {"total_params", estimate.at("model").at("total_params")},
          {"active_params", estimate.at("model").at("active_params")},
          {"quant", row.estimate.artifact.quant},
          {"context_tokens", row.estimate.run.context_tokens},
          {"file_bytes", estimate.at("artifact").at("file_bytes")},
          {"memory",
           {{"weights_bytes", memory.at("weights_bytes")},
            {"kv_bytes", memory.at("kv_bytes")},
            {"compute_bytes", memory.at("compute_bytes")},
            {"total_bytes", memory.at("total_bytes")},
            {"low_bytes", memory.at("low_bytes")},
            {"high_bytes", memory.at("high_bytes")}}},
          {"gpu_layers", estimate.at("run").at("gpu_layers")},
          {"throughput", estimate.at("throughput")},
          {"verdict", estimate.at("verdict")},
          {"score", score_json(row.score)},
          {"rank", rank_json(row)}};
}

}  // namespace

std::string fit_json(const FitReport& report) {
  Json rows = Json::array();
  for (const auto& row : report.rows) rows.push_back(row_json(row));
  const Json document = {
      {"schema", "llmsize.fit/1"},
      {"order", report.order == FitOrder::score ? "score" : "size"},
      {"from", report.local ? "local" : "catalog"},
      {"considered", report.considered},
      {"more", report.more},
      {"budget_bytes", report.budget.known() ? Json(report.budget.value->value()) : Json()},
      {"bound_by", report.bound_by},
      {"rows", std::move(rows)},
      {"next_step", report.next_step},
      {"notes", report.notes},
      {"basis",
       {{"budget_bytes", {{"basis", basis_name(report.budget.basis)}, {"source", report.budget.source}}}}}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace llmsize::render
