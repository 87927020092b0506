#include "llmsize/emit/emitters.hpp"

namespace llmsize::emit {

const std::vector<Emitter>& emitters() {
  static const std::vector<Emitter> all = {
      {"json", "the plan itself, llmsize.plan/1", emit_json},
      {"shell", "a script that starts the servers", emit_shell},
      {"llama-swap", "config.yaml for llama-swap", emit_llama_swap},
      {"llama-server", "presets for llama-server's router, and a script", emit_llama_server},
      {"systemd", "a unit per server", emit_systemd}};
  return all;
}

std::string joined(const std::vector<EmittedFile>& files) {
  if (files.size() == 1) return files.front().content;
  std::string text;
  for (const auto& file : files) text += "# --- " + file.name + "\n" + file.content;
  return text;
}

}  // namespace llmsize::emit
