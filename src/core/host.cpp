#include "llmsize/core/host.hpp"

#include <algorithm>

namespace llmsize {

bool CpuFacts::has_isa(const std::string& flag) const {
  return isa.value && std::find(isa.value->begin(), isa.value->end(), flag) != isa.value->end();
}

}  // namespace llmsize
