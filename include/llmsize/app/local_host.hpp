#pragma once
#include <string>

#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// The host that budgets are taken from: the saved `probe --json` in `file`, or this machine where `file` is
/// empty. Errors: not_found, unreadable or malformed for the file.
Result<Host> host_for_budget(const Services& services, const std::string& file);

}  // namespace llmsize::app
