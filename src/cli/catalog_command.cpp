#include "llmsize/app/catalog_command.hpp"

#include <chrono>
#include <memory>

#include <fmt/chrono.h>

#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/setters.hpp"

namespace llmsize::cli {

Command catalog_command(const app::Services& services) {
  auto options = std::make_shared<app::CatalogOptions>();
  Command command;
  command.name = "catalog";
  command.summary = "the models, quants, architectures, roles and tables that answers are built from";
  command.examples = {
      {"llmsize catalog list model --family Qwen3", "the catalog's models of a family"},
      {"llmsize catalog show qwen2.5-7b-instruct", "one entry with its sources, and the layer it comes from"},
      {"llmsize catalog show guide", "the sizing guide's tables beside computed values"},
      {"llmsize catalog validate", "what is wrong in your own catalog.d, with file and place"},
      {"llmsize catalog add model.gguf", "an entry for your own catalog, from a file's header"},
      {"llmsize catalog add hf:Qwen/Qwen3-8B",
       "the same from a repository (also a config.json folder, ollama:NAME)"}};
  command.positionals = {"list [KIND] | show [KIND] ID | validate | add MODEL", "what to do",
                         [options](const std::string& word) -> Result<void> {
                           options->words.push_back(word);
                           return {};
                         }};
  command.groups = {
      {"Filters and answer",
       {{{"--family"}, "NAME", "list: models of this family", set_text(options->family)},
        {{"--architecture"}, "NAME", "list: models of this architecture", set_text(options->architecture)},
        {{"--match"}, "TEXT", "list: ids that contain the text", set_text(options->match)},
        {{"--id"}, "NAME", "add: the entry's id (from the model's name)", set_text(options->id)},
        {{"--json"}, "", "one JSON document", set_true(options->json)}}}};
  command.run = [options, &services] {
    options->as_of = fmt::format("{:%Y-%m}", fmt::gmtime(std::chrono::system_clock::now()));
    return app::run_catalog(services, *options);
  };
  return command;
}

}  // namespace llmsize::cli
