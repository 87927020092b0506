#pragma once
#include <string>
#include <vector>

#include "llmsize/core/placement.hpp"

namespace llmsize::test {

/// `count` devices that align like the host and are called GPU0, GPU1, …
inline std::vector<Device> generic_devices(int count, Bytes memory) {
  std::vector<Device> devices;
  for (int i = 0; i < count; ++i) {
    Device device;
    device.name = "GPU" + std::to_string(i);
    device.capacity = assumed(memory, "test");
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace llmsize::test
