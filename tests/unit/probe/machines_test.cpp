// Small trees of machines that the recorded ones do not cover, each with the traps of its kind.
#include <algorithm>

#include <catch2/catch.hpp>

#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

namespace {

const std::string cpu_root = "/sys/devices/system/cpu/cpu", node_root = "/sys/devices/system/node/node";

void add_cpu(TemporaryTree& tree, int cpu, const std::string& siblings, int package) {
  const std::string folder = cpu_root + std::to_string(cpu) + "/topology/";
  tree.add(folder + "thread_siblings_list", siblings + "\n")
      .add(folder + "physical_package_id", std::to_string(package) + "\n");
}

void add_cache(TemporaryTree& tree, int cpu, int index, const std::string& level, const std::string& size,
               const std::string& shared) {
  const std::string folder = cpu_root + std::to_string(cpu) + "/cache/index" + std::to_string(index) + "/";
  tree.add(folder + "level", level + "\n")
      .add(folder + "type", "Unified\n")
      .add(folder + "size", size + "\n")
      .add(folder + "shared_cpu_list", shared + "\n");
}

void add_node(TemporaryTree& tree, int node, const std::string& cpus, std::int64_t gib) {
  const std::string folder = node_root + std::to_string(node), key = "Node " + std::to_string(node);
  const std::string kilobytes = std::to_string(gib << 20) + " kB\n";
  tree.add(folder + "/cpulist", cpus + "\n")
      .add(folder + "/meminfo", key + " MemTotal: " + kilobytes + key + " MemFree: " + kilobytes);
}

std::string range(int first, int last) {
  return std::to_string(first) + "-" + std::to_string(last);
}

}  // namespace

TEST_CASE("POWER10 with eight threads a core, half of them off, in a partition") {
  TemporaryTree tree;
  // ppc64_cpu --smt=4 turns CPUs 4-7 and 12-15 off; the kernel lists no flags and names the processor in
  // "cpu".
  tree.add("/sys/devices/system/cpu/online", "0-3,8-11\n")
      .add("/proc/device-tree/ibm,partition-name", "lpar1")
      .add("/proc/cpuinfo",
           "processor\t: 0\ncpu\t\t: POWER10 (architected), altivec supported\nclock\t\t: 2750.000000MHz\n"
           "revision\t: 2.0 (pvr 0080 0200)\n\ntimebase\t: 512000000\nplatform\t: pSeries\n"
           "model\t\t: IBM,9105-22A\n");
  for (int cpu = 0; cpu < 16; ++cpu) {
    tree.add(cpu_root + std::to_string(cpu) + "/physical_id", "0\n");
    // What is off has no topology.
    if (cpu % 8 < 4) add_cpu(tree, cpu, cpu < 8 ? "0-3" : "8-11", cpu / 8);
  }
  const auto host = tree.probe();
  CHECK(host.cpu.logical_online.value == 8);
  CHECK(host.cpu.physical_cores.value == 2);
  CHECK(host.cpu.packages.value == 2);
  CHECK(host.cpu.kinds.at(0).threads_per_core == 4);
  CHECK(host.cpu.model.value == "POWER10 (architected), altivec supported");
  CHECK(host.cpu.isa.value == std::vector<std::string>{"altivec"});
  CHECK(host.cpu.vector_bits.value == 128);
  CHECK(host.platform.machine.value == "ppc64le");
  CHECK(host.platform.virtualization.value == "powervm");
  CHECK(host.effective.threads.value == 2);
}

TEST_CASE("Knights Landing with its fast memory as nodes of their own, or as a cache") {
  TemporaryTree flat;
  flat.add("/sys/devices/system/cpu/online", "0-7\n")
      .add("/proc/meminfo", "MemTotal: 117440512 kB\nMemAvailable: 117000000 kB\n")
      .add("/proc/cpuinfo",
           "processor : 0\nvendor_id : GenuineIntel\nmodel name : Intel(R) Xeon Phi(TM) CPU 7250 @ 1.40GHz\n"
           "flags : fpu avx2 avx512f avx512cd avx512er avx512pf\n");
  for (int cpu = 0; cpu < 8; ++cpu) add_cpu(flat, cpu, range(cpu / 4 * 4, cpu / 4 * 4 + 3), 0);
  add_node(flat, 0, "0-7", 96);
  add_node(flat, 1, "", 16);
  flat.add(node_root + "0/distance", "10 31\n").add(node_root + "1/distance", "31 10\n");
  const auto host = flat.probe();
  CHECK(host.cpu.physical_cores.value == 2);
  CHECK(host.cpu.kinds.at(0).threads_per_core == 4);
  CHECK(host.cpu.has_isa("avx512er"));
  CHECK(host.cpu.vector_bits.value == 512);
  REQUIRE(host.numa.size() == 2);
  CHECK(host.numa[0].kind.value == "dram");
  CHECK(host.numa[1].kind.value == "memory_only");
  CHECK(host.numa[1].distances == std::vector<int>{31, 10});
  CHECK(host.numa_budgets.bind_node == -1);

  TemporaryTree cache;
  cache.add("/sys/devices/system/cpu/online", "0-3\n");
  add_node(cache, 0, "0-3", 96);
  // The kernel writes this size in bytes.
  cache.add(node_root + "0/memory_side_cache/index1/size", "17179869184\n");
  const auto behind = cache.probe().numa.at(0);
  CHECK(behind.kind.value == "side_cache");
  CHECK(behind.side_cache.value == gibibytes(16));
}

TEST_CASE(
    "A64FX: four groups of twelve cores with 8 GiB each, and vectors whose width only the kernel states") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-47\n")
      .add("/proc/sys/abi/sve_default_vector_length", "64\n")
      .add("/proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 30000000 kB\n");
  std::string cpuinfo;
  for (int cpu = 0; cpu < 48; ++cpu) {
    cpuinfo += "processor\t: " + std::to_string(cpu) +
               "\nFeatures\t: fp asimd fphp asimdhp asimdrdm fcma dcpop sve\n"
               "CPU implementer\t: 0x46\nCPU architecture: 8\nCPU part\t: 0x001\n\n";
    add_cpu(tree, cpu, std::to_string(cpu), 0);
    add_cache(tree, cpu, 2, "2", "8192K", range(cpu / 12 * 12, cpu / 12 * 12 + 11));
  }
  tree.add("/proc/cpuinfo", cpuinfo);
  for (int node = 0; node < 4; ++node) add_node(tree, node, range(node * 12, node * 12 + 11), 8);
  const auto host = tree.probe();
  CHECK(host.cpu.model.value == "48 x A64FX");
  CHECK(host.cpu.physical_cores.value == 48);
  CHECK(host.cpu.packages.value == 1);
  CHECK(host.cpu.isa.value == std::vector<std::string>{"asimd", "asimdhp", "asimdrdm", "fphp", "sve"});
  CHECK(host.cpu.vector_bits.value == 512);
  CHECK(host.cpu.last_level_cache.value == mebibytes(32));
  REQUIRE(host.numa.size() == 4);
  CHECK(host.numa[3].cpus.size() == 12);
  // Four copies within the 30,000,000 kB that are available.
  CHECK(host.numa_budgets.replicate.value == kibibytes(7'500'000));
  CHECK(host.platform.machine.value == "aarch64");
}

TEST_CASE(
    "s390: shared lines before the processors, a virtual machine by /proc/sysinfo, and sizes of caches") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-3\n")
      .add("/proc/sysinfo",
           "Manufacturer: IBM\nType: 8561\nVM00 Name: LINUX1\nVM00 Control Program: z/VM    7.2.0\n")
      .add("/proc/cpuinfo",
           "vendor_id       : IBM/S390\n# processors    : 4\nbogomips per cpu: 21881.00\n"
           "features\t: esan3 zarch te vx vxd vxe gs vxe2 vxp sort dflt nnpa\n"
           "cache2          : level=3 type=Unified scope=Shared size=262144K line_size=256\n"
           "processor 0: version = FF,  identification = 0133E8,  machine = 8561\n"
           "processor 1: version = FF,  identification = 0133E8,  machine = 8561\n\ncpu number      : 0\n");
  for (int cpu = 0; cpu < 4; ++cpu) {
    add_cpu(tree, cpu, range(cpu / 2 * 2, cpu / 2 * 2 + 1), 1);
    add_cache(tree, cpu, 3, "3", "262144K", "0-3");
  }
  const auto host = tree.probe();
  CHECK(host.cpu.physical_cores.value == 2);
  CHECK(host.cpu.packages.value == 1);
  CHECK(host.cpu.isa.value == std::vector<std::string>{"nnpa", "vx", "vxd", "vxe", "vxe2", "vxp"});
  CHECK(host.cpu.last_level_cache.value == mebibytes(256));
  CHECK(host.platform.machine.value == "s390x");
  CHECK(host.platform.virtualization.value == "z/vm");
}

TEST_CASE("Xen: a guest is a virtual machine, the control domain is not") {
  TemporaryTree tree;
  tree.add("/sys/hypervisor/type", "xen\n")
      .add("/proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nflags : fpu hypervisor avx2\n");
  CHECK(tree.probe().platform.virtualization.value == "xen");
  tree.add("/proc/xen/capabilities", "control_d\n");
  CHECK_FALSE(tree.probe().platform.virtualization.known());
}

TEST_CASE("ARM machines: a cloud's whole machine, and a guest by its device tree") {
  TemporaryTree metal;
  metal.add("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
      .add("/sys/class/dmi/id/product_name", "c7g.metal\n");
  CHECK_FALSE(metal.probe().platform.virtualization.known());
  metal.add("/sys/class/dmi/id/product_name", "c7g.large\n");
  CHECK(metal.probe().platform.virtualization.value == "kvm (Amazon EC2)");
  TemporaryTree guest;
  guest.add("/proc/device-tree/hypervisor/compatible", std::string("xen,xen-4.16\0xen,xen\0", 21));
  CHECK(guest.probe().platform.virtualization.value == "xen");
}

TEST_CASE("WSL2: Windows' half of the memory is a warning with a remedy") {
  TemporaryTree tree;
  tree.add("/proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n")
      .add("/proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 15000000 kB\n");
  const auto host = tree.probe();
  CHECK(host.platform.virtualization.value == "wsl");
  CHECK(std::any_of(host.warnings.begin(), host.warnings.end(), [](const HostWarning& warning) {
    return warning.remedy.find(".wslconfig") != std::string::npos;
  }));
}

TEST_CASE("hybrid mounts: each controller's limits come from the version that holds it") {
  TemporaryTree tree;
  // systemd's hybrid mode: controllers on version 1, version 2 only for tracking processes; the service's
  // parent has the tighter quota, the service the tighter memory.
  tree.add("/proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n")
      .add("/sys/devices/system/cpu/online", "0-7\n")
      .add("/proc/self/mountinfo",
           "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
           "32 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
           "33 23 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
           "34 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n")
      .add("/proc/self/cgroup", "9:memory:/a/b\n8:cpu,cpuacct:/a/b\n7:cpuset:/a\n0::/a/b\n")
      .add("/sys/fs/cgroup/unified/a/b/cgroup.controllers", "\n")
      .add("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n")
      .add("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1073741824\n")
      .add("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "1610612736\n")
      .add("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "0\n")
      .add("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n")
      .add("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
      .add("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n")
      .add("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n")
      .add("/sys/fs/cgroup/cpuset/a/cpuset.effective_cpus", "0-3\n");
  const auto host = tree.probe();
  CHECK(host.limits.memory_max.value == mebibytes(1536));
  // The parent has 2 GiB - 1 GiB left, less than the service's own 1.5 GiB.
  CHECK(host.limits.memory_available.value == gibibytes(1));
  CHECK(host.limits.bound_by == "/sys/fs/cgroup/memory/a/memory.limit_in_bytes");
  CHECK(host.limits.cpu_quota_cores.value == Approx(2.5));
  CHECK(host.limits.allowed_cpus.value == std::vector<int>{0, 1, 2, 3});
  CHECK(host.effective.threads.value == 2);
}

TEST_CASE("POWER9 and Grace Hopper: what is free on the GPUs' nodes is no RAM for models") {
  TemporaryTree tree;
  // MemTotal and MemAvailable count all nodes: 64 GiB of RAM and 16 GiB of a GPU, all free but 1 GiB.
  tree.add("/proc/meminfo", "MemTotal: 83886080 kB\nMemFree: 82837504 kB\nMemAvailable: 82837504 kB\n")
      .add("/proc/driver/nvidia/gpus/0004:04:00.0/numa_status", "Node: 255\nStatus: online\n");
  add_node(tree, 0, "0-3", 64);
  add_node(tree, 255, "", 16);
  const auto host = tree.probe();
  CHECK(host.memory.total.value == gibibytes(64));
  CHECK(host.effective.memory.value == gibibytes(63));
  CHECK(host.effective.bound_by.find("GPUs' nodes") != std::string::npos);
}
