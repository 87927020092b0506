#include "llmsize/app/estimate_command.hpp"

#include <memory>

#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/estimate_flags.hpp"

namespace llmsize::cli {

Command estimate_command(const app::Services& services) {
  auto flags = std::make_shared<EstimateFlags>();
  Command command;
  command.name = "estimate";
  command.summary = "what a model costs: file, weights, KV cache, scratch, and whether it fits";
  command.examples = {{"llmsize estimate --params 32 --quant Q4_K_M",
                       "a size alone: intervals from the catalog's models of that size"},
                      {"llmsize estimate -m qwen2.5-7b-instruct --quant Q4_K_M -c 32768",
                       "a catalog model, to the byte, before any download"},
                      {"llmsize estimate -m qwen3-30b-a3b --gpu \"RTX 4090\" --ram 64",
                       "layers and experts split over a GPU and the host, each with its headroom"},
                      {"llmsize estimate -m qwen3-32b --gpu 24GiB --ram 64 --solve context",
                       "the other way round: the most context that fits"},
                      {"llmsize estimate -m model.gguf --ram 24GiB --json",
                       "a file, for a script: exit status 3 if it does not fit"}};
  command.groups = estimate_groups(*flags, services.types);
  command.run = [flags, &services]() -> Result<app::Outcome> {
    const auto host = judging_host(services, *flags);
    if (!host) return tl::unexpected(host.error());
    return app::estimate(services, *host, flags->options);
  };
  return command;
}

}  // namespace llmsize::cli
