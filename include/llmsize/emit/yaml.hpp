#pragma once
#include <string>

#include <nlohmann/json.hpp>

namespace llmsize::emit {

/// A document as YAML blocks: strings in quotes, so that none reads as something else.
std::string yaml_document(const nlohmann::ordered_json& document);

}  // namespace llmsize::emit
