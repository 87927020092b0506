#include "llmsize/probe/memory.hpp"

#include <catch2/catch.hpp>

#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

TEST_CASE("available memory is the kernel's figure") {
  const auto available =
      available_memory(parse_meminfo("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 600 kB\n"));
  CHECK(available.value == kibibytes(600));
  CHECK(available.basis == Basis::reported);
}

TEST_CASE("without the kernel's figure, what it could drop counts as available") {
  const std::string rest =
      "MemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\nSReclaimable: 40 kB\nShmem: 60 kB\n";
  // 100 + 20 + 300 + 40 - 60
  CHECK(available_memory(parse_meminfo("MemTotal: 1000 kB\n" + rest)).value == kibibytes(400));
  // Some kernels claim more than there is.
  CHECK(available_memory(parse_meminfo("MemTotal: 1000 kB\nMemAvailable: 1000 kB\n" + rest)).value ==
        kibibytes(400));
}

TEST_CASE("a meminfo with absurd values neither crashes nor overflows") {
  // 381 TiB, as a damaged file once said, is a possible machine; beyond 64 bits is none.
  CHECK(parse_meminfo("MemTotal: 409107595264 kB\n").total == kibibytes(409107595264));
  CHECK_FALSE(parse_meminfo("MemTotal: 99999999999999999999 kB\n").total.has_value());
  CHECK_FALSE(parse_meminfo(std::string("MemTotal\0: 4 kB", 15)).available.has_value());
  CHECK_FALSE(available_memory(parse_meminfo("")).known());
}

TEST_CASE("GPU memory that appears as NUMA nodes is not RAM") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 3000 kB\nMemAvailable: 2000 kB\n")
      .add("/sys/devices/system/node/online", "0,255\n")
      .add("/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 2000 kB\nNode 0 MemFree: 900 kB\n")
      .add("/sys/devices/system/node/node0/cpulist", "0-1\n")
      .add("/sys/devices/system/node/node255/meminfo",
           "Node 255 MemTotal: 1000 kB\nNode 255 MemFree: 800 kB\n")
      .add("/sys/devices/system/node/node255/cpulist", "\n")
      .add("/sys/devices/system/cpu/online", "0-1\n")
      .add("/proc/driver/nvidia/gpus/0004:04:00.0/numa_status",
           "Node:      255\nStatus:    online\nSize:      100000\n");
  const Host host = tree.probe();
  CHECK(host.memory.total.value == kibibytes(2000));
  CHECK(host.memory.total.basis == Basis::derived);
  CHECK(host.memory.available.value == kibibytes(1200));
  REQUIRE(host.numa.size() == 2);
  CHECK(host.numa[0].kind.value == "dram");
  CHECK(host.numa[1].kind.value == "gpu");
}

TEST_CASE("ZFS gives back its cache above the minimum") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 10000 kB\nMemAvailable: 2000 kB\n")
      .add("/proc/spl/kstat/zfs/arcstats", "13 1 0x01\nname type data\nsize 4 5120000\nc_min 4 1024000\n");
  const Host host = tree.probe();
  // 2000 KiB + 5000 KiB - 1000 KiB
  CHECK(host.memory.available.value == kibibytes(6000));
}

TEST_CASE("reserved huge pages are warned about") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 10000 kB\nMemAvailable: 2000 kB\n")
      .add("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "513\n")
      .add("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "513\n")
      .add("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  const Host host = tree.probe();
  REQUIRE(host.memory.huge_pages.size() == 1);
  CHECK(host.memory.huge_pages[0].page * host.memory.huge_pages[0].pages == mebibytes(1026));
  CHECK(host.memory.transparent_huge_pages.value == "madvise");
  CHECK(host.warnings.size() == 1);
}

TEST_CASE("a host without any file is unknown, not zero") {
  const TemporaryTree tree;
  const Host host = tree.probe();
  CHECK_FALSE(host.memory.total.known());
  CHECK_FALSE(host.effective.memory.known());
  CHECK_FALSE(host.effective.threads.known());
  CHECK_FALSE(host.cpu.isa.known());
}
