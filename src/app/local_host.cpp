#include "llmsize/app/local_host.hpp"

#include "llmsize/app/probe_command.hpp"
#include "llmsize/render/host.hpp"

namespace llmsize::app {

Result<Host> host_for_budget(const Services& services, const std::string& file) {
  if (file.empty()) return probe_host(services, {});
  const auto text = services.files.read_text(file);
  if (!text) return tl::unexpected(text.error());
  return render::host_from_json(*text, file);
}

}  // namespace llmsize::app
