#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/render/host.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::json;

/// "gpus.0.memory_total_bytes" as a JSON pointer; nothing where the document has no such place.
std::optional<Json::json_pointer> place_of(const Json& document, const std::string& name) {
  std::string path = "/" + name;
  std::replace(path.begin(), path.end(), '.', '/');
  try {
    const Json::json_pointer pointer(path);
    if (!name.empty() && document.contains(pointer)) return pointer;
  } catch (const Json::exception&) {
    return std::nullopt;  // A name with characters that a pointer gives a meaning to.
  }
  return std::nullopt;
}

}  // namespace

Result<Host> with_stated_facts(const Host& host, const std::vector<std::string>& facts) {
  Json document = Json::parse(host_json(host, std::nullopt));
  for (const auto& fact : facts) {
    const auto equals = fact.find('=');
    const std::string name = fact.substr(0, equals);
    const auto place = equals == std::string::npos ? std::nullopt : place_of(document, name);
    if (!place)
      return fail(ErrorCode::usage, fmt::format("--fact {}: there is no fact of that name", fact),
                  "Name it as in llmsize probe --json, with dots: memory.swap_total_bytes=0.");
    const std::string text = fact.substr(equals + 1);
    Json value = Json::parse(text, nullptr, false);
    document[*place] = value.is_discarded() ? Json(text) : std::move(value);
    Json& parent = document[place->parent_pointer()];
    if (parent.is_object()) parent["basis"][place->back()] = {{"basis", "override"}, {"source", "--fact"}};
  }
  auto stated = host_from_json(document.dump(-1, ' ', false, Json::error_handler_t::replace), "--fact");
  if (!stated)
    return fail(ErrorCode::usage, stated.error().message, "llmsize probe --json shows the fact as it is.");
  stated->name = host.name;
  return stated;
}

}  // namespace llmsize::render
