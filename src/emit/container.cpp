#include "llmsize/emit/container.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace llmsize::emit {

std::string image_with(const std::string& backend) {
  constexpr std::pair<const char*, const char*> tags[] = {
      {"cuda", "-cuda"}, {"rocm", "-rocm"}, {"vulkan", "-vulkan"}, {"sycl", "-intel"}};
  std::string image = "ghcr.io/ggml-org/llama.cpp:server";
  for (const auto& [known, tag] : tags)
    if (backend == known) image += tag;
  return image;
}

Deployment in_container(Deployment deployment) {
  // A file that is neither in a folder nor in a repository belongs among the downloads.
  const std::string folder = deployment.models_dir.empty() ? cache_mount : models_mount;
  for (auto& server : deployment.servers)
    for (auto& setting : server.settings)
      if (setting.flag == "--model" || setting.flag == "--spec-draft-model") {
        const auto slash = setting.value.rfind('/');
        setting.value =
            folder + "/" + (slash == std::string::npos ? setting.value : setting.value.substr(slash + 1));
      }
  deployment.listen_address = "0.0.0.0";
  return deployment;
}

Bytes container_overhead(Bytes host_memory) {
  constexpr std::int64_t page = 4096, entry = 8;
  return mebibytes(64) + Bytes(host_memory.value() / page * entry);
}

std::int64_t start_seconds(const Deployment& deployment, double load_seconds) {
  constexpr std::int64_t least = 600, with_download = 3600;
  return std::max<std::int64_t>(deployment.models_dir.empty() ? with_download : least,
                                2 * std::llround(load_seconds));
}

}  // namespace llmsize::emit
