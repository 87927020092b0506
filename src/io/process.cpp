#include "llmsize/io/process.hpp"

#include <cstdlib>

namespace llmsize::io {

std::optional<std::string> ProcessEnvironment::variable(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace llmsize::io
