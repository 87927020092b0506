#include "llmsize/cli/commands.hpp"

namespace llmsize::cli {

std::vector<Command> all_commands(const app::Services& services) {
  return {probe_command(services),   estimate_command(services), fit_command(services),
          compare_command(services), plan_command(services),     catalog_command(services)};
}

}  // namespace llmsize::cli
