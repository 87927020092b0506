#include "llmsize/io/logging.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace llmsize::io {
namespace {

bool enabled = false;

}  // namespace

void enable_logging() {
  enabled = true;
  auto logger = spdlog::stderr_logger_st("llmsize");
  logger->set_pattern("llmsize: %v");
  spdlog::set_default_logger(std::move(logger));
}

void log(const std::string& message) {
  if (enabled) spdlog::info(message);
}

}  // namespace llmsize::io
