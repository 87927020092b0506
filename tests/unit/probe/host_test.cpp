#include <cstdlib>

#include <catch2/catch.hpp>

#include "llmsize/io/system_calls.hpp"
#include "llmsize/probe/overrides.hpp"
#include "llmsize/probe/platform.hpp"
#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

TEST_CASE("what the user states replaces what was probed") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 700 kB\n")
      .add("/sys/devices/system/cpu/online", "0-1\n");
  Host host = tree.probe();
  HostOverrides overrides;
  overrides.ram = kibibytes(2000);
  overrides.cores = 64;
  overrides.isa = {"avx512f", "avx2"};
  overrides.gpus = {{"", gibibytes(24)}};
  apply_overrides(host, overrides);
  CHECK(host.memory.total.basis == Basis::overridden);
  // 300 KiB stay in use.
  CHECK(host.effective.memory.value == kibibytes(1700));
  CHECK(host.effective.threads.value == 64);
  CHECK(host.cpu.vector_bits.value == 512);
  CHECK(host.gpus.at(0).memory_total.value == gibibytes(24));
}

TEST_CASE("a container and Windows' Linux are recognised") {
  TemporaryTree tree;
  tree.add("/proc/version", "Linux version 5.15.0-microsoft-standard-WSL2 (x@y)\n")
      .add("/proc/1/environ", std::string("A=1\0container=lxc\0B=2", 21))
      .add("/etc/os-release", "NAME=x\nPRETTY_NAME=\"Some Linux 1\"\n");
  const auto platform = tree.probe().platform;
  CHECK(platform.wsl.value == true);
  CHECK(platform.virtualization.value == "wsl");
  CHECK(platform.container.value == "lxc");
  CHECK(platform.os.value == "Some Linux 1");
  CHECK(platform.kernel.value == "5.15.0-microsoft-standard-WSL2");
}

TEST_CASE("a cloud's bare metal is no virtual machine") {
  TemporaryTree tree;
  tree.add("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
      .add("/proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nflags : fpu avx2\n");
  CHECK_FALSE(tree.probe().platform.virtualization.known());
  tree.add("/proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nflags : fpu hypervisor avx2\n");
  CHECK(tree.probe().platform.virtualization.value == "kvm (Amazon EC2)");
}

TEST_CASE("recorded machines are replayed") {
  const char* folder = std::getenv("LLMSIZE_HOSTS");
  if (folder == nullptr) {
    WARN("SKIPPED: LLMSIZE_HOSTS does not name the recorded machines");
    return;
  }
  const std::string archive = std::string(folder) + "/hwloc-nvidiagpunumanodes.tar.gz";
  const TemporaryTree tree;
  REQUIRE(std::system(("tar -xzf '" + archive + "' -C '" + tree.root() + "'").c_str()) == 0);
  const auto host = tree.probe();
  CHECK(host.cpu.physical_cores.value == 8);
  CHECK(host.memory.total.value == kibibytes(263'791'104));
  CHECK(host.gpus.size() == 6);
}
