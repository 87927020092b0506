#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/render/host.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::json;

Result<Json> parsed(std::string_view text, const char* which) {
  Json document = Json::parse(text, nullptr, false);
  if (!document.is_object() || !document.contains("schema") || document["schema"] != "llmsize.probe/1")
    return fail(ErrorCode::malformed, fmt::format("the {} file is no saved probe", which),
                "Save one with llmsize probe --json.");
  return document;
}

std::string shown(const Json& value) {
  return value.is_null() ? "(none)" : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Where a fact comes from is no difference between hosts.
bool is_basis(const std::string& pointer) {
  return pointer.find("/basis/") != std::string::npos;
}

struct Difference {
  std::string pointer;
  Json before, after;
};

Result<std::vector<Difference>> differences_of(std::string_view before, std::string_view after) {
  const auto old_document = parsed(before, "first");
  if (!old_document) return tl::unexpected(old_document.error());
  const auto new_document = parsed(after, "second");
  if (!new_document) return tl::unexpected(new_document.error());
  const Json old_flat = old_document->flatten(), new_flat = new_document->flatten();
  Json pointers = Json::object();
  for (const auto& flat : {old_flat, new_flat})
    for (const auto& [pointer, value] : flat.items()) pointers[pointer] = nullptr;
  std::vector<Difference> differences;
  for (const auto& [pointer, nothing] : pointers.items()) {
    if (is_basis(pointer)) continue;
    // An empty list or object flattens to null, as an unknown fact does: none of it is there.
    Json was = old_flat.value(pointer, Json()), is = new_flat.value(pointer, Json());
    if (was != is) differences.push_back({pointer, std::move(was), std::move(is)});
  }
  return differences;
}

}  // namespace

Result<std::string> host_difference(std::string_view before, std::string_view after, bool json) {
  const auto differences = differences_of(before, after);
  if (!differences) return tl::unexpected(differences.error());
  if (json) {
    nlohmann::ordered_json document = {{"schema", "llmsize.probe_diff/1"},
                                       {"same", differences->empty()},
                                       {"differences", nlohmann::ordered_json::array()}};
    for (const auto& [pointer, was, is] : *differences)
      document["differences"].push_back({{"fact", pointer}, {"before", was}, {"after", is}});
    return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  if (differences->empty()) return std::string("The two probes state the same facts.\n");
  std::string text;
  for (const auto& [pointer, was, is] : *differences)
    text += fmt::format("{}: {} -> {}\n", pointer, shown(was), shown(is));
  return text;
}

}  // namespace llmsize::render
