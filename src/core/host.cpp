#include "llmsize/core/host.hpp"

#include <algorithm>

namespace llmsize {

bool CpuFacts::has_isa(const std::string& flag) const {
  return isa.value && std::find(isa.value->begin(), isa.value->end(), flag) != isa.value->end();
}

std::vector<std::string> CpuFacts::avx512_flags() const {
  std::vector<std::string> flags;
  for (const auto& flag : isa.value_or({}))
    if (flag.starts_with("avx512")) flags.push_back(flag);
  return flags;
}

}  // namespace llmsize
