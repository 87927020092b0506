#include "llmsize/probe/platform.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/probe/mounts.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// DMI vendor and product names that hypervisors set (systemd's detect-virt uses the same field).
constexpr std::array dmi_markers = {NamedMark{"KVM", "kvm"},
                                    NamedMark{"QEMU", "qemu"},
                                    NamedMark{"Amazon EC2", "kvm (Amazon EC2)"},
                                    NamedMark{"Google", "kvm (Google Compute Engine)"},
                                    NamedMark{"VMware", "vmware"},
                                    NamedMark{"innotek", "virtualbox"},
                                    NamedMark{"VirtualBox", "virtualbox"},
                                    NamedMark{"Xen", "xen"},
                                    NamedMark{"Microsoft Corporation", "hyper-v"},
                                    NamedMark{"Parallels", "parallels"},
                                    NamedMark{"BHYVE", "bhyve"},
                                    NamedMark{"OpenStack", "kvm (OpenStack)"},
                                    NamedMark{"Firecracker", "firecracker"},
                                    NamedMark{"DigitalOcean", "kvm (DigitalOcean)"},
                                    NamedMark{"Hetzner", "kvm (Hetzner)"},
                                    NamedMark{"Apple Virtualization", "apple"}};

/// Parts of control group paths that container managers choose.
constexpr std::array container_markers = {
    NamedMark{"/docker", "docker"}, NamedMark{"/kubepods", "kubernetes"},   NamedMark{"/libpod", "podman"},
    NamedMark{"/lxc", "lxc"},       NamedMark{"/containerd", "containerd"}, NamedMark{"/garden", "garden"}};

/// Parts of the places where they keep a container's own files.
constexpr std::array mounted_markers = {
    NamedMark{"/kubelet/pods/", "kubernetes"}, NamedMark{"/docker/containers/", "docker"},
    NamedMark{"/overlay-containers/", "podman"}, NamedMark{"/containerd/", "containerd"}};

/// Whether a mark stands anywhere in `text`, which must outlive the answer.
auto contained_in(const std::string& text) {
  return [&text](std::string_view mark) { return text.find(mark) != std::string::npos; };
}

Fact<std::string> kernel_release(const FileReader& files) {
  const std::string path = "/proc/sys/kernel/osrelease";
  if (const auto text = read_trimmed(files, path)) return reported(*text, path);
  // "Linux version 5.2.0 (builder@host) …"
  if (const auto text = files.read_text("/proc/version"))
    if (const auto words = fields_of(*text); words.size() > 2)
      return reported(std::string(words[2]), "/proc/version");
  return unknown<std::string>("neither /proc/sys/kernel/osrelease nor /proc/version could be read");
}

Fact<std::string> machine_of(const Surroundings& from) {
  if (from.system != nullptr)
    if (const auto name = from.system->machine()) return measured(*name, "uname");
  const std::string path = "/proc/sys/kernel/arch";
  if (const auto text = read_trimmed(from.files, path)) return reported(*text, path);
  const auto cpuinfo = from.files.read_text("/proc/cpuinfo");
  if (!cpuinfo) return unknown<std::string>("no file names the architecture");
  constexpr std::array signs = {NamedMark{"CPU implementer", "aarch64"}, NamedMark{"IBM/S390", "s390x"},
                                NamedMark{"POWER", "ppc64le"}, NamedMark{" lm ", "x86_64"}};
  if (auto name = name_of_first(signs, contained_in(*cpuinfo)))
    return derived(std::move(*name), "the form of /proc/cpuinfo");
  return unknown<std::string>("no file names the architecture");
}

/// What firmware and hypervisors of processors without DMI say of themselves.
Fact<std::string> described_hypervisor(const FileReader& files) {
  // "VM00 Control Program: z/VM    7.2.0" or "… KVM/Linux"; an LPAR has no VM00.
  if (const auto text = files.read_text("/proc/sysinfo"); text && text->find("VM00") != std::string::npos)
    return reported(std::string(text->find("z/VM") != std::string::npos ? "z/vm" : "kvm"), "/proc/sysinfo");
  const std::string node = "/proc/device-tree/hypervisor/compatible";
  if (const auto text = files.read_text(node))
    return reported(std::string(text->find("xen") != std::string::npos   ? "xen"
                                : text->find("kvm") != std::string::npos ? "kvm"
                                                                         : "unnamed hypervisor"),
                    node);
  if (files.exists("/proc/device-tree/ibm,partition-name"))
    return reported(std::string("powervm"), "/proc/device-tree/ibm,partition-name");
  return unknown<std::string>("no hypervisor shows itself");
}

Fact<std::string> hypervisor(const FileReader& files) {
  if (is_xen_control_domain(files))
    return unknown<std::string>("/proc/xen/capabilities: the control domain of Xen");
  // "c6g.metal": a whole machine of a cloud whose vendor name is that of its virtual ones.
  if (const auto product = read_trimmed(files, "/sys/class/dmi/id/product_name");
      product && product->ends_with(".metal"))
    return unknown<std::string>("/sys/class/dmi/id/product_name: a whole machine");
  // A cloud's bare-metal machines carry the same vendor, so the CPU's own bit must agree where there is one.
  const auto cpuinfo = files.read_text("/proc/cpuinfo");
  const bool is_x86 = cpuinfo && cpuinfo->find("flags") != std::string::npos &&
                      cpuinfo->find("vendor_id") != std::string::npos;
  const bool has_bit = cpuinfo && cpuinfo->find(" hypervisor") != std::string::npos;
  if (!is_x86 || has_bit)
    for (const char* path :
         {"/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name", "/sys/class/dmi/id/bios_vendor"})
      if (const auto text = read_trimmed(files, path))
        if (auto name = name_of_first(dmi_markers, contained_in(*text)))
          return reported(std::move(*name), path);
  if (const auto type = read_trimmed(files, "/sys/hypervisor/type"))
    return reported(*type, "/sys/hypervisor/type");
  return described_hypervisor(files);
}

/// What hypervisors answer to CPUID 0x40000000, as each documents it.
constexpr std::array signatures = {
    NamedMark{"KVMKVMKVM", "kvm"},       NamedMark{"Microsoft Hv", "hyper-v"},
    NamedMark{"VMwareVMware", "vmware"}, NamedMark{"XenVMMXenVMM", "xen"},
    NamedMark{"bhyve bhyve ", "bhyve"},  NamedMark{"ACRNACRNACRN", "acrn"},
    NamedMark{"TCGTCGTCGTCG", "qemu"},   NamedMark{" lrpepyh  vr", "parallels"}};

/// The hypervisor's own word; nothing where the processor shows none.
std::optional<std::string> registered_hypervisor(const ProcessorRegisters& processor) {
  constexpr std::uint32_t hypervisor_leaf = 0x40000000;
  constexpr unsigned hypervisor_bit = 31;
  const auto basic = processor.cpuid(1, 0);
  if (!basic || ((*basic)[2] >> hypervisor_bit & 1U) == 0) return std::nullopt;
  const auto registers = processor.cpuid(hypervisor_leaf, 0);
  if (!registers) return std::nullopt;
  std::string text;
  for (const std::size_t place : {1U, 2U, 3U})
    for (unsigned shift = 0; shift < 32; shift += 8)
      text += static_cast<char>((*registers)[place] >> shift & 0xffU);
  return name_of_first(signatures, [&](std::string_view mark) { return text.starts_with(mark); })
      .value_or("unnamed hypervisor");
}

Fact<std::string> container(const FileReader& files) {
  for (const auto& [path, name] : {std::pair{"/.dockerenv", "docker"}, {"/run/.containerenv", "podman"}})
    if (files.exists(path)) return reported(std::string(name), path);
  if (const auto text = read_trimmed(files, "/run/systemd/container"); text && !text->empty())
    return reported(*text, "/run/systemd/container");
  if (const auto text = files.read_text("/proc/1/environ")) {
    // Variables are separated by NUL bytes.
    constexpr std::string_view key = "container=";
    for (std::size_t at = 0; at < text->size();) {
      const auto end = std::min(text->find('\0', at), text->size());
      const std::string_view entry = std::string_view(*text).substr(at, end - at);
      if (entry.starts_with(key) && entry.size() > key.size())
        return reported(std::string(entry.substr(key.size())), "/proc/1/environ");
      at = end + 1;
    }
  }
  if (const auto text = files.read_text("/proc/self/cgroup"))
    if (auto name = name_of_first(container_markers, contained_in(*text)))
      return derived(std::move(*name), "/proc/self/cgroup");
  // In a namespace of its own the control group's path is "/", but the managers mount some files of theirs.
  for (const auto& mount : read_mounts(files))
    if (mount.point == "/etc/hosts" || mount.point == "/etc/hostname" || mount.point == "/etc/resolv.conf")
      if (auto name = name_of_first(mounted_markers, contained_in(mount.root)))
        return derived(std::move(*name), fmt::format("/proc/self/mountinfo ({})", mount.point));
  if (const auto text = files.read_text("/proc/version"); text && text->find("gVisor") != std::string::npos)
    return reported(std::string("gvisor"), "/proc/version");
  return unknown<std::string>("no sign of a container");
}

}  // namespace

bool is_xen_control_domain(const FileReader& files) {
  const auto text = read_trimmed(files, "/proc/xen/capabilities");
  return text && text->find("control_d") != std::string::npos;
}

std::optional<std::string> parse_os_release(std::string_view text) {
  constexpr std::string_view key = "PRETTY_NAME=";
  for (auto line : lines_of(text)) {
    line = trimmed(line);
    if (!line.starts_with(key)) continue;
    auto value = line.substr(key.size());
    const bool quoted =
        value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
    if (quoted) value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return std::nullopt;
}

void gather_platform(const Surroundings& from, Host& host) {
  PlatformFacts& platform = host.platform;
  platform.os = unknown<std::string>("/etc/os-release could not be read");
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"})
    if (const auto text = from.files.read_text(path); text && !platform.os.known())
      if (const auto name = parse_os_release(*text)) platform.os = reported(*name, path);
  platform.kernel = kernel_release(from.files);
  platform.machine = machine_of(from);
  const std::string release = lower_case(platform.kernel.value_or(""));
  const bool is_wsl =
      release.find("microsoft") != std::string::npos || release.find("wsl") != std::string::npos;
  platform.wsl = platform.kernel.known() ? derived(is_wsl, platform.kernel.source)
                                         : unknown<bool>(platform.kernel.source);
  platform.virtualization =
      is_wsl ? derived(std::string("wsl"), platform.kernel.source) : hypervisor(from.files);
  if (!platform.virtualization.known() && from.system != nullptr && !is_xen_control_domain(from.files))
    if (const auto name = registered_hypervisor(from.system->processor()))
      platform.virtualization = measured(*name, "CPUID 0x40000000");
  platform.container = container(from.files);
}

}  // namespace llmsize::probe
