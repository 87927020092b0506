#pragma once
#include <string>

#include "llmsize/core/serving.hpp"

namespace llmsize::emit {

// What formats that run servers in containers share.

/// The engine's image with the backend: "ghcr.io/ggml-org/llama.cpp:server-cuda". Source: docs/docker.md of
/// llama.cpp v0.5.0.
std::string image_with(const std::string& backend);

inline constexpr const char* models_mount = "/models";        ///< The folder of --models-dir.
inline constexpr const char* cache_mount = "/cache";          ///< What -hf downloads into: LLAMA_CACHE.
inline constexpr const char* preset_mount = "/etc/llmsize/";  ///< Presets of routers.

/// The same servers seen from inside containers: models lie in `models_mount`, and every address is listened
/// on, since what reaches a container is said outside it.
Deployment in_container(Deployment deployment);

/// Memory that a container needs beside its servers: page tables, which are charged to it at 8 bytes for each
/// page of 4 KiB, and 64 MiB for its runtime, health checks and sockets (assumed). Out of the safety margin.
Bytes container_overhead(Bytes host_memory);

/// Seconds until a server must answer: ours, at least ten minutes, twice the load time where it is known; an
/// hour where the model is downloaded first.
std::int64_t start_seconds(const Deployment& deployment, double load_seconds);

}  // namespace llmsize::emit
