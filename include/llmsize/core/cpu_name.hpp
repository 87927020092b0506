#pragma once
#include <string>
#include <string_view>

namespace llmsize {

/// A processor's name without what differs from machine to machine: "AMD EPYC 7451 24-Core Processor" is "AMD
/// EPYC 7451", "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz" is "Intel Xeon Gold 6230".
std::string plain_cpu_name(std::string_view model);

}  // namespace llmsize
