#pragma once
#include <string>
#include <vector>

namespace llmsize::render {

/// One line for `llama-server $(llmsize estimate … --args)`.
std::string arguments_text(const std::vector<std::string>& arguments);
/// llmsize.arguments/1; `missing` are clauses about flags that the user must add.
std::string arguments_json(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& missing);

}  // namespace llmsize::render
