#include "llmsize/render/arguments.hpp"

#include <nlohmann/json.hpp>

#include "llmsize/core/engine.hpp"

namespace llmsize::render {

std::string arguments_text(const std::vector<std::string>& arguments) {
  std::string line;
  for (const auto& word : arguments) line += (line.empty() ? "" : " ") + word;
  return line + '\n';
}

std::string arguments_json(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& missing) {
  const nlohmann::ordered_json document = {
      {"schema", "llmsize.arguments/1"},   {"program", "llama-server"}, {"engine", engine::name},
      {"engine_version", engine::version}, {"arguments", arguments},    {"missing", missing}};
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace llmsize::render
