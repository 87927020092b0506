#pragma once
#include <string>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/probe/mounts.hpp"

namespace llmsize::probe {

/// File system, device and kind of storage behind an absolute path without links. Free space is left unknown.
StorageFacts storage_of(const FileReader& files, const std::vector<Mount>& mounts, const std::string& path);

}  // namespace llmsize::probe
