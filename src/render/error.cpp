#include "llmsize/render/error.hpp"

#include <nlohmann/json.hpp>

namespace llmsize::render {

std::string error_text(const Error& error) {
  std::string line = "error: " + error.message;
  if (!line.ends_with('.') && !line.ends_with('?')) line += '.';
  if (!error.hint.empty()) line += ' ' + error.hint;
  return line + '\n';
}

std::string error_json(const Error& error) {
  const nlohmann::ordered_json document = {
      {"schema", "llmsize.error/1"},
      {"error", {{"code", error_code_name(error.code)}, {"message", error.message}, {"hint", error.hint}}}};
  // Messages may quote a file's bytes; what is no UTF-8 is replaced rather than thrown over.
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace llmsize::render
