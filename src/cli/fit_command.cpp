#include "llmsize/app/fit_command.hpp"

#include <memory>

#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/estimate_flags.hpp"
#include "llmsize/cli/setters.hpp"
#include "llmsize/cli/values.hpp"

namespace llmsize::cli {
namespace {

struct FitFlags {
  app::FitOptions options;
  EstimateFlags estimate;
};

/// A list that several occurrences of the flag add to.
Setter add_list(std::vector<std::string>& target) {
  return [&target](const std::string& text) -> Result<void> {
    auto words = parse_list(text);
    if (!words) return tl::unexpected(words.error());
    target.insert(target.end(), words->begin(), words->end());
    return {};
  };
}

OptionGroup filter_options(app::FitOptions& o) {
  constexpr double least_speed = 0.001, most_speed = 1e6;
  const auto set_speed = [&o](const std::string& text) -> Result<void> {
    const auto speed = parse_number(text, least_speed, most_speed);
    if (!speed) return tl::unexpected(speed.error());
    o.lowest_speed = *speed;
    return {};
  };
  return {
      "Which models",
      {{{"--capability"},
        "LIST",
        "that can do all of these: code, vision, long_context",
        add_list(o.capabilities)},
       {{"--family"},
        "LIST",
        "of one of these families, by the beginning of the name: qwen3",
        add_list(o.families)},
       {{"--license"},
        "LIST",
        "under one of these licenses; models that state none are left out",
        add_list(o.licenses)},
       {{"--min-speed"}, "N", "that decode at least so many tokens per second", set_speed},
       {{"--min-params"}, "N", "with at least so many parameters, in billions", set_params(o.lowest_params)},
       {{"--max-params"}, "N", "with at most so many parameters, in billions", set_params(o.highest_params)},
       {{"--quant"},
        "TYPE",
        "at this file type (default: the best of Q8_0 to Q2_K that fits)",
        set_text(o.quant)},
       {{"--local"},
        "",
        "files that Hugging Face, Ollama or LM Studio has put on this disk",
        set_true(o.local)},
       {{"--models-dir"}, "DIR", "GGUF files below this folder", set_text(o.models_dir)}}};
}

OptionGroup table_options(FitFlags& flags) {
  constexpr std::int64_t most_rows = 100'000;
  return {
      "Answer",
      {{{"--order"},
        "size|score",
        "best first by parameters and quant, or by a shared benchmark score where there is one (size)",
        set_choice<FitOrder>(flags.options.order, {{"size", FitOrder::size}, {"score", FitOrder::score}})},
       {{"--limit"}, "N", "so many rows (20)", set_count(flags.options.limit, 1, most_rows)},
       {{"--all"}, "", "every model that runs", set_true(flags.options.all)},
       {{"--json"}, "", "one JSON document", set_true(flags.options.json)}}};
}

}  // namespace

Command fit_command(const app::Services& services) {
  auto flags = std::make_shared<FitFlags>();
  Command command;
  command.name = "fit";
  command.summary = "what runs here, or on a machine you describe, best first";
  command.examples = {
      {"llmsize fit", "the best of the catalog for this host, each at the best quant that fits"},
      {"llmsize fit --gpu \"RTX 4090\" --ram 64 --min-speed 10",
       "for a machine you describe, fast enough to use"},
      {"llmsize fit --ram 32 --capability code --license apache-2.0 -c 32768",
       "filtered, with a longer context"},
      {"llmsize fit --local", "which of the files on this disk"}};
  command.groups = {filter_options(flags->options)};
  for (auto& group : machine_groups(flags->estimate, services.types))
    command.groups.push_back(std::move(group));
  command.groups.push_back(table_options(*flags));
  command.run = [flags, &services]() -> Result<app::Outcome> {
    const auto host = judging_host(services, flags->estimate);
    if (!host) return tl::unexpected(host.error());
    app::FitOptions options = flags->options;
    options.estimate = flags->estimate.options;
    return app::fit(services, *host, std::move(options));
  };
  return command;
}

}  // namespace llmsize::cli
