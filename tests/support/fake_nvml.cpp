// A stand-in for NVIDIA's management library with one ordinary GPU, one cut into two slices and one that
// shares the system's memory. The signatures are those of NVIDIA's published interface.
#include <cstdio>

extern "C" {

struct Memory {
  unsigned long long total, free, used;
};

namespace {
// Devices by address: whole GPUs first, then the second GPU's slices.
int devices[5];
int index_of(const void* device) {
  return static_cast<int>(static_cast<const int*>(device) - devices);
}
}  // namespace

int nvmlInit_v2() {
  return 0;
}
int nvmlShutdown() {
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 3;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = devices + index;
  return 0;
}
int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  const char* names[] = {"NVIDIA GeForce RTX 4090", "NVIDIA A100-SXM4-80GB", "NVIDIA GB10",
                         "NVIDIA A100-SXM4-80GB MIG 3g.40gb", "NVIDIA A100-SXM4-80GB MIG 3g.40gb"};
  std::snprintf(name, length, "%s", names[index_of(device)]);
  return 0;
}
int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length) {
  std::snprintf(uuid, length, index_of(device) > 2 ? "MIG-%d" : "GPU-%d", index_of(device));
  return 0;
}
int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  if (index_of(device) == 2) return 3;
  *memory = {25757220864ULL, 25000000000ULL, 757220864ULL};
  if (index_of(device) > 2) *memory = {42000000000ULL, 41000000000ULL, 1000000000ULL};
  return 0;
}
int nvmlDeviceGetMemoryBusWidth(void*, unsigned* bits) {
  *bits = 384;
  return 0;
}
int nvmlDeviceGetMaxClockInfo(void*, unsigned kind, unsigned* megahertz) {
  // An RTX 4090's memory (kind 2) and cores.
  *megahertz = kind == 2 ? 10501 : 2520;
  return 0;
}
int nvmlDeviceGetNumGpuCores(void*, unsigned* cores) {
  *cores = 16384;
  return 0;
}
int nvmlDeviceGetMigMode(void* device, unsigned* current, unsigned* pending) {
  *current = *pending = index_of(device) == 1 ? 1 : 0;
  return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void*, unsigned* count) {
  *count = 7;
  return 0;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void*, unsigned index, void** slice) {
  if (index > 1) return 6;
  *slice = devices + 3 + index;
  return 0;
}
}
