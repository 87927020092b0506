#pragma once
#include <string>
#include <vector>

#include "llmsize/app/gpus.hpp"
#include "llmsize/cli/command.hpp"
#include "llmsize/core/placement.hpp"

namespace llmsize::cli {

/// "24GiB,24GiB", "2x RTX 4090", "RTX 3090, 12GiB", "Apple M2 Max=48GiB": devices separated by commas, each a
/// size or a name, with an optional count before and an optional size behind. Errors: usage.
Result<std::vector<app::GpuWish>> parse_gpus(const std::string& text);

/// The memory of one GPU. Errors: usage, also for a bare number that is a model's rather than a size in GiB.
Result<Bytes> parse_gpu_memory(const std::string& text);

/// The flags that say which devices there are and what goes where. Both targets must outlive the group.
OptionGroup device_options(app::GpuOptions& gpus, OffloadRequest& offload);

}  // namespace llmsize::cli
