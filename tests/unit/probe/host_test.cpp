#include <cstdlib>

#include <catch2/catch.hpp>

#include "llmsize/io/system_calls.hpp"
#include "llmsize/probe/identity.hpp"
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
  REQUIRE(apply_overrides(host, overrides));
  CHECK(host.memory.total.basis == Basis::overridden);
  // 300 KiB stay in use.
  CHECK(host.effective.memory.value == kibibytes(1700));
  CHECK(host.effective.threads.value == 64);
  CHECK(host.cpu.vector_bits.value == 512);
  CHECK(host.gpus.at(0).memory_total.value == gibibytes(24));
}

TEST_CASE("statements that no machine can satisfy together are refused") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 700 kB\n")
      .add("/sys/devices/system/cpu/online", "0-1\n");
  const auto stated = [&](const HostOverrides& overrides) -> Result<Host> {
    Host host = tree.probe();
    if (auto applied = apply_overrides(host, overrides); !applied) return tl::unexpected(applied.error());
    return host;
  };
  HostOverrides available, cores, contradiction, nodes, packages, one;
  available.available = kibibytes(2000);
  CHECK(stated(available).error().code == ErrorCode::usage);
  contradiction.cores = 8;
  contradiction.logical_cpus = 1;
  CHECK(stated(contradiction).error().code == ErrorCode::usage);
  nodes.numa_nodes = 4;
  CHECK(stated(nodes).error().code == ErrorCode::usage);
  packages.packages = 3;
  CHECK(stated(packages).error().code == ErrorCode::usage);
  // One statement alone bends the facts that it bounds.
  cores.cores = 8;
  CHECK(stated(cores)->cpu.logical_online.value == 8);
  one.logical_cpus = 1;
  CHECK(stated(one)->cpu.physical_cores.value == 1);
  CHECK(stated(one)->effective.threads.value == 1);
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

TEST_CASE("a container that hides its control group is known by what its manager mounts") {
  TemporaryTree tree;
  tree.add("/proc/self/cgroup", "0::/\n")
      .add("/proc/self/mountinfo",
           "1 0 0:9 / / rw - overlay overlay rw\n"
           "2 1 8:1 /var/lib/kubelet/pods/6e/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n");
  CHECK(tree.probe().platform.container.value == "kubernetes");
  // A host that runs containers mounts theirs elsewhere.
  tree.add("/proc/self/mountinfo", "2 1 0:9 / /var/lib/docker/containers/6e/mounts/shm rw - tmpfs shm rw\n");
  CHECK_FALSE(tree.probe().platform.container.known());
}

TEST_CASE("the limit on locked memory holds only those without the right to lock any") {
  TemporaryTree tree;
  tree.add("/proc/self/limits", "Max locked memory         8388608              8388608              bytes\n")
      .add("/proc/self/status", "CapEff:\t000001ffffffbfff\n")
      .add("/proc/self/uid_map", "         0          0 4294967295\n");
  CHECK(tree.probe().limits.memlock.value == mebibytes(8));
  tree.add("/proc/self/status", "CapEff:\t0000000000004000\n");
  CHECK(tree.probe().limits.memlock.source.ends_with("unlimited"));
  // The root of a user namespace is nobody outside.
  tree.add("/proc/self/uid_map", "         0     100000      65536\n");
  CHECK(tree.probe().limits.memlock.value == mebibytes(8));
}

TEST_CASE("a cloud's bare metal is no virtual machine") {
  TemporaryTree tree;
  tree.add("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
      .add("/proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nflags : fpu avx2\n");
  CHECK_FALSE(tree.probe().platform.virtualization.known());
  tree.add("/proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nflags : fpu hypervisor avx2\n");
  CHECK(tree.probe().platform.virtualization.value == "kvm (Amazon EC2)");
}

TEST_CASE("two nodes leave less for a bound, an interleaved and a replicated model") {
  TemporaryTree tree;
  // Node 0 has 3,000 kB that could be had, node 1 has 5,000 kB, of which 1,000 kB are page cache; node 2 has
  // memory only.
  const auto node = [&](int number, const char* cpus, int free, int cache, int shared) {
    const std::string folder = "/sys/devices/system/node/node" + std::to_string(number);
    const std::string key = "Node " + std::to_string(number);
    tree.add(folder + "/cpulist", cpus)
        .add(folder + "/meminfo", key + " MemTotal: 6000 kB\n" + key + " MemFree: " + std::to_string(free) +
                                      " kB\n" + key + " FilePages: " + std::to_string(cache) + " kB\n" + key +
                                      " Shmem: " + std::to_string(shared) + " kB\n");
  };
  tree.add("/proc/meminfo", "MemTotal: 18000 kB\nMemAvailable: 14000 kB\n")
      .add("/sys/devices/system/cpu/online", "0-1\n");
  node(0, "0\n", 3000, 0, 0);
  node(1, "1\n", 4000, 1500, 500);
  node(2, "\n", 6000, 0, 0);
  const auto budgets = tree.probe().numa_budgets;
  CHECK(budgets.bind.value == kibibytes(5000));
  CHECK(budgets.bind_node == 1);
  CHECK(budgets.bind_threads.value == 1);
  CHECK(budgets.interleave.value == kibibytes(6000));
  CHECK(budgets.replicate.value == kibibytes(3000));
}

TEST_CASE("one node has no placements to choose from") {
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 700 kB\n");
  CHECK_FALSE(tree.probe().numa_budgets.bind.known());
}

TEST_CASE("an old kernel's machine is understood without the files of newer ones") {
  TemporaryTree tree;
  // Linux 2.6.18: no list of CPUs, masks for siblings, no /proc/meminfo readable, cpu1 turned off.
  const auto cpu = [&](int number, const char* mask) {
    tree.add("/sys/devices/system/cpu/cpu" + std::to_string(number) + "/topology/thread_siblings", mask);
  };
  cpu(0, "00000000,00000005\n");
  cpu(2, "00000000,00000005\n");
  cpu(3, "00000000,00000008\n");
  tree.add("/sys/devices/system/cpu/cpu1/online", "0\n")
      .add("/sys/devices/system/cpu/cpu2/online", "1\n")
      .add("/sys/devices/system/node/node0/meminfo",
           "Node 0 MemTotal: 300 kB\nNode 0 MemFree: 90 kB\nNode 0 FilePages: 60 kB\n")
      .add("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 200 kB\n")
      .add("/proc/cpuinfo",
           "processor : 0\nphysical id : 3\n\nprocessor : 2\nphysical id : 3\n\n"
           "processor : 3\nphysical id : 4\n");
  const auto host = tree.probe();
  CHECK(host.cpu.online.value == std::vector<int>{0, 2, 3});
  CHECK(host.cpu.physical_cores.value == 2);
  CHECK(host.cpu.packages.value == 2);
  CHECK(host.memory.total.value == kibibytes(500));
  CHECK(host.memory.available.value == kibibytes(150));
}

TEST_CASE("cores without names are kinds by capacity, give or take a few percent") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-3\n");
  // The capacities of a GB10's two kinds.
  const char* capacities[] = {"718\n", "731\n", "997\n", "1024\n"};
  for (int cpu = 0; cpu < 4; ++cpu)
    tree.add("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpu_capacity", capacities[cpu]);
  const auto kinds = tree.probe().cpu.kinds;
  REQUIRE(kinds.size() == 2);
  CHECK(kinds[0].cores == 2);
  CHECK(kinds[1].cores == 2);
}

TEST_CASE("an ARM core's name comes from its register where cpuinfo has none") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-1\n")
      .add("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "0x00000000410fd871\n")
      .add("/sys/devices/system/cpu/cpu1/regs/identification/midr_el1", "0x00000000410fd851\n");
  const auto host = tree.probe();
  CHECK(host.cpu.model.value == "1 x Cortex-A725 + 1 x Cortex-X925");
  CHECK(host.cpu.kinds.size() == 2);
}

TEST_CASE("memory behind CXL and persistent memory are told apart by the device's bus") {
  TemporaryTree tree;
  for (int node = 0; node < 3; ++node)
    tree.add("/sys/devices/system/node/node" + std::to_string(node) + "/meminfo",
             "Node " + std::to_string(node) + " MemTotal: 100 kB\n");
  tree.add("/sys/devices/system/node/node0/cpulist", "0\n")
      .add("/sys/devices/system/cpu/online", "0\n")
      .link("/sys/bus/dax/devices/dax0.0",
            "../../../devices/platform/ACPI0017:00/root0/decoder0.0/region0/dax_region0/dax0.0")
      .add("/sys/devices/platform/ACPI0017:00/root0/decoder0.0/region0/dax_region0/dax0.0/target_node", "1\n")
      .link("/sys/bus/dax/devices/dax1.0", "../../../devices/LNXSYSTM:00/ndbus0/region1/dax1.1/dax1.0")
      .add("/sys/devices/LNXSYSTM:00/ndbus0/region1/dax1.1/dax1.0/target_node", "2\n");
  const auto nodes = tree.probe().numa;
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].kind.value == "dram");
  CHECK(nodes[1].kind.value == "cxl");
  CHECK(nodes[2].kind.value == "pmem");
}

TEST_CASE("a machine is known by a hash of its id, and never by the id") {
  const std::string id = "00112233445566778899aabbccddeeff";
  TemporaryTree tree;
  tree.add("/etc/machine-id", id + "\n").add("/etc/hostname", "rack1-node7\n");
  const auto host = tree.probe();
  // Python's hmac.new(id, application id, sha256), as systemd-id128 --app-specific shapes it.
  CHECK(host.identity.machine_id.value == "b593a79a06074c26b98288d2388067a9");
  CHECK(host.identity.host_name.value == "rack1-node7");
  CHECK(host.identity.machine_id.source.find(id) == std::string::npos);
  for (const char* none : {"", "uninitialized", "00000000000000000000000000000000", "00112233"})
    CHECK_FALSE(application_machine_id(none).has_value());
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
