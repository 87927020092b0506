#include "llmsize/probe/control_groups.hpp"

#include <catch2/catch.hpp>

#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

namespace {

constexpr const char* v2_mount = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
constexpr const char* v1_mounts =
    "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";

}  // namespace

TEST_CASE("the tightest ancestor's limit binds, less what its page cache can give back") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 100000 kB\nMemAvailable: 90000 kB\n")
      .add("/proc/self/mountinfo", v2_mount)
      .add("/proc/self/cgroup", "0::/a/b\n")
      .add("/sys/fs/cgroup/a/b/memory.max", "max\n")
      .add("/sys/fs/cgroup/a/b/memory.current", "1024\n")
      .add("/sys/fs/cgroup/a/memory.max", "40960000\n")
      .add("/sys/fs/cgroup/a/memory.current", "30720000\n")
      .add("/sys/fs/cgroup/a/memory.stat", "anon 10240000\ninactive_file 20480000\n");
  const Host host = tree.probe();
  CHECK(host.limits.memory_max.value == kibibytes(40000));
  // 40000 KiB - (30000 KiB - 20000 KiB)
  CHECK(host.limits.memory_available.value == kibibytes(30000));
  CHECK(host.limits.bound_by == "/sys/fs/cgroup/a/memory.max");
  CHECK(host.effective.memory.value == kibibytes(30000));
  CHECK(host.effective.bound_by == "control group: /sys/fs/cgroup/a/memory.max");
}

TEST_CASE("a fuller ancestor can leave less room than a tighter limit") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo", v2_mount)
      .add("/proc/self/cgroup", "0::/a/b\n")
      .add("/sys/fs/cgroup/a/b/memory.max", "1000\n")
      .add("/sys/fs/cgroup/a/b/memory.current", "0\n")
      .add("/sys/fs/cgroup/a/memory.max", "5000\n")
      .add("/sys/fs/cgroup/a/memory.current", "4900\n");
  const auto host = tree.probe();
  CHECK(host.limits.memory_max.value == Bytes(1000));
  CHECK(host.limits.memory_available.value == Bytes(100));
}

TEST_CASE("version 1's unlimited is no limit, and its hierarchical limit counts") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo", v1_mounts)
      .add("/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n")
      .add("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n")
      .add("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "4096\n");
  CHECK_FALSE(tree.probe().limits.memory_max.known());
  tree.add("/sys/fs/cgroup/memory/x/memory.stat",
           "hierarchical_memory_limit 8192\ntotal_inactive_file 1024\n");
  const auto limits = tree.probe().limits;
  CHECK(limits.memory_max.value == Bytes(8192));
  // 8192 - (4096 - 1024)
  CHECK(limits.memory_available.value == Bytes(5120));
}

TEST_CASE("hybrid mounts: version 1 holds memory while version 2 holds none") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo",
           std::string(v1_mounts) + "33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
      .add("/proc/self/cgroup", "5:memory:/x\n0::/user.slice\n")
      .add("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "8192\n")
      .add("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1000\n");
  CHECK(tree.probe().limits.memory_available.value == Bytes(7192));
}

TEST_CASE("a group path outside the mounted part leaves the mount point") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
      .add("/proc/self/cgroup", "0::/../../elsewhere\n")
      .add("/sys/fs/cgroup/memory.max", "4096\n");
  CHECK(tree.probe().limits.memory_max.value == Bytes(4096));
}

TEST_CASE("the part of a group path that is mounted elsewhere is cut off") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
      .add("/proc/self/cgroup", "0::/docker/abc/inner\n")
      .add("/sys/fs/cgroup/inner/memory.max", "4096\n");
  CHECK(tree.probe().limits.memory_max.source == "/sys/fs/cgroup/inner/memory.max");
}

TEST_CASE("a quota is floored to threads, and to one at least") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-7\n")
      .add("/proc/self/mountinfo", v2_mount)
      .add("/proc/self/cgroup", "0::/a\n")
      .add("/sys/fs/cgroup/a/cpu.max", "350000 100000\n");
  CHECK(tree.probe().limits.cpu_quota_cores.value == Approx(3.5));
  CHECK(tree.probe().effective.threads.value == 3);
  tree.add("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  CHECK(tree.probe().effective.threads.value == 1);
}

TEST_CASE("a cpuset narrows CPUs and memory nodes") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 3900 kB\n")
      .add("/sys/devices/system/cpu/online", "0-7\n")
      .add("/sys/devices/system/node/online", "0-1\n")
      .add("/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 2000 kB\nNode 0 MemFree: 1900 kB\n")
      .add("/sys/devices/system/node/node0/cpulist", "0-3\n")
      .add("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 2000 kB\nNode 1 MemFree: 1800 kB\n")
      .add("/sys/devices/system/node/node1/cpulist", "4-7\n")
      .add("/proc/self/mountinfo", v2_mount)
      .add("/proc/self/cgroup", "0::/a\n")
      .add("/sys/fs/cgroup/a/cpuset.cpus.effective", "4-7\n")
      .add("/sys/fs/cgroup/a/cpuset.mems.effective", "1\n");
  const auto host = tree.probe();
  CHECK(host.limits.allowed_cpus.value == std::vector<int>{4, 5, 6, 7});
  CHECK(host.effective.threads.value == 4);
  CHECK(host.effective.memory.value == kibibytes(1800));
  CHECK(host.effective.bound_by.find("allowed NUMA nodes 1") == 0);
}

TEST_CASE("damaged control group files are no limits") {
  CHECK_FALSE(parse_memory_limit("max").has_value());
  CHECK_FALSE(parse_memory_limit("-1").has_value());
  CHECK_FALSE(parse_memory_limit("99999999999999999999").has_value());
  CHECK_FALSE(parse_cpu_max("max 100000").has_value());
  CHECK_FALSE(parse_cpu_max("100000 0").has_value());
  CHECK_FALSE(parse_cpu_max("").has_value());
  CHECK(parse_control_groups("nonsense\n1:\n::x\n").empty());
}
