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

std::string shown(const Json& flat, const std::string& pointer) {
  return flat.contains(pointer) ? flat[pointer].dump(-1, ' ', false, Json::error_handler_t::replace)
                                : "(none)";
}

/// Where a fact comes from is no difference between hosts.
bool is_basis(const std::string& pointer) {
  return pointer.find("/basis/") != std::string::npos;
}

}  // namespace

Result<std::string> host_difference(std::string_view before, std::string_view after) {
  const auto old_document = parsed(before, "first");
  if (!old_document) return tl::unexpected(old_document.error());
  const auto new_document = parsed(after, "second");
  if (!new_document) return tl::unexpected(new_document.error());
  const Json old_flat = old_document->flatten(), new_flat = new_document->flatten();
  Json pointers = Json::object();
  for (const auto& flat : {old_flat, new_flat})
    for (const auto& [pointer, value] : flat.items()) pointers[pointer] = nullptr;
  std::string text;
  for (const auto& [pointer, nothing] : pointers.items()) {
    if (is_basis(pointer)) continue;
    const std::string was = shown(old_flat, pointer), is = shown(new_flat, pointer);
    if (was != is) text += fmt::format("{}: {} -> {}\n", pointer, was, is);
  }
  return text;
}

}  // namespace llmsize::render
