#include "llmsize/probe/probe.hpp"
namespace llmsize::probe {
void gather_nvidia(const Surroundings&, Host&) {}
void gather_sysfs_gpus(const Surroundings&, Host&) {}
}  // namespace llmsize::probe
