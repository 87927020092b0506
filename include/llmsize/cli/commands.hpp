#pragma once
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/cli/command.hpp"

namespace llmsize::cli {

// One function per subcommand: its flags, bound to its options.
Command probe_command(const app::Services& services);
Command estimate_command(const app::Services& services);
Command fit_command(const app::Services& services);
Command compare_command(const app::Services& services);
Command plan_command(const app::Services& services);
Command catalog_command(const app::Services& services);

/// All subcommands in the order of the help page.
std::vector<Command> all_commands(const app::Services& services);

}  // namespace llmsize::cli
