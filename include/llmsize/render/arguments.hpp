#pragma once
#include <string>
#include <vector>

namespace llmsize::render {

/// One line for `llama-server $(llmsize estimate … --args)`.
std::string arguments_text(const std::vector<std::string>& arguments);
/// llmsize.arguments/1.
std::string arguments_json(const std::vector<std::string>& arguments);

}  // namespace llmsize::render
