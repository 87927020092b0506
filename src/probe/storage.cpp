#include "llmsize/probe/storage.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "llmsize/probe/mounts.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Stacks of device mapper, md and loop devices are a few levels deep; a damaged tree may loop.
constexpr int deepest_stack = 16;

/// File systems without a local block device. Their type decides before any device is looked at: tmpfs even
/// accepts direct reads on recent kernels.
constexpr std::array special_file_systems = {
    NamedMark{"nfs", "network"},       NamedMark{"nfs4", "network"},        NamedMark{"cifs", "network"},
    NamedMark{"smb3", "network"},      NamedMark{"ceph", "network"},        NamedMark{"lustre", "network"},
    NamedMark{"beegfs", "network"},    NamedMark{"afs", "network"},         NamedMark{"glusterfs", "network"},
    NamedMark{"gpfs", "network"},      NamedMark{"tmpfs", "memory"},        NamedMark{"ramfs", "memory"},
    NamedMark{"9p", "host_share"},     NamedMark{"virtiofs", "host_share"}, NamedMark{"drvfs", "host_share"},
    NamedMark{"vboxsf", "host_share"}, NamedMark{"smbfs", "network"},       NamedMark{"ncpfs", "network"},
    NamedMark{"ocfs2", "network"},     NamedMark{"gfs2", "network"},        NamedMark{"hugetlbfs", "memory"}};

/// What a block device's name says. Virtual disks hide what they lie on.
constexpr std::array device_prefixes = {NamedMark{"nvme", "nvme"},   NamedMark{"vd", "virtual"},
                                        NamedMark{"xvd", "virtual"}, NamedMark{"nbd", "network"},
                                        NamedMark{"rbd", "network"}, NamedMark{"drbd", "network"},
                                        NamedMark{"zram", "memory"}, NamedMark{"ram", "memory"},
                                        NamedMark{"pmem", "pmem"},   NamedMark{"mmcblk", "flash"}};

constexpr const char* block_root = "/sys/class/block";

/// The whole disk of a partition's folder: sysfs nests "sda/sda1".
std::string disk_of(const FileReader& files, const std::string& name) {
  const std::string folder = fmt::format("{}/{}", block_root, name);
  if (!files.exists(folder + "/partition")) return name;
  const auto link = files.read_link(folder);
  if (!link) return name;
  const auto last = link->rfind('/');
  const auto before = last == std::string::npos || last == 0 ? std::string::npos : link->rfind('/', last - 1);
  return before == std::string::npos ? name : link->substr(before + 1, last - before - 1);
}

std::string device_kind(const FileReader& files, const std::string& name) {
  if (auto kind =
          name_of_first(device_prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); }))
    return std::move(*kind);
  const std::string folder = fmt::format("{}/{}", block_root, name);
  if (const auto link = files.read_link(folder); link && link->find("/virtio") != std::string::npos)
    return "virtual";
  const auto vendor = read_trimmed(files, folder + "/device/vendor");
  for (const std::string_view emulated : {"QEMU", "VMware", "VBOX", "Msft", "Google", "Virtual"})
    if (vendor && vendor->find(emulated) != std::string::npos) return "virtual";
  // What the kernel says of a loop device is not of the disk behind it.
  if (name.starts_with("loop")) return {};
  const auto rotational = read_integer(files, folder + "/queue/rotational");
  if (!rotational) return {};
  return *rotational == 0 ? "ssd" : "hdd";
}

/// The kernel's name of a mount's block device.
std::optional<std::string> block_name(const FileReader& files, const Mount& mount) {
  // Btrfs and others invent a device number, so theirs is looked up by the mount's source.
  if (mount.major != 0)
    if (const auto link = files.read_link(fmt::format("/sys/dev/block/{}:{}", mount.major, mount.minor)))
      return link->substr(link->rfind('/') + 1);
  constexpr std::string_view devices = "/dev/";
  if (!mount.source.starts_with(devices)) return std::nullopt;
  constexpr std::string_view mapper = "mapper/";
  const std::string name = mount.source.substr(devices.size());
  if (files.exists(fmt::format("{}/{}", block_root, name))) return name;
  if (!name.starts_with(mapper)) return std::nullopt;
  for (const int number : numbered_entries(files, block_root, "dm-"))
    if (read_trimmed(files, fmt::format("{}/dm-{}/dm/name", block_root, number)) ==
        name.substr(mapper.size()))
      return fmt::format("dm-{}", number);
  return std::nullopt;
}

/// The block device that holds the file behind a loop device; nothing for other devices.
std::optional<std::string> device_behind_loop(const FileReader& files, const std::vector<Mount>& mounts,
                                              const std::string& name) {
  const auto file = read_trimmed(files, fmt::format("{}/{}/loop/backing_file", block_root, name));
  const Mount* mount = file ? mount_of(mounts, *file) : nullptr;
  return mount == nullptr ? std::nullopt : block_name(files, *mount);
}

/// Devices at the bottom of a stack of LVM, crypt, md, multipath or loop.
void add_bottom_devices(const FileReader& files, const std::vector<Mount>& mounts, const std::string& name,
                        int depth, std::set<std::string>& bottom) {
  if (depth > deepest_stack) return;
  const std::string disk = disk_of(files, name);
  if (const auto behind = device_behind_loop(files, mounts, disk); behind && *behind != name)
    return add_bottom_devices(files, mounts, *behind, depth + 1, bottom);
  const auto slaves = files.list(fmt::format("{}/{}/slaves", block_root, disk));
  if (!slaves || slaves->empty()) {
    bottom.insert(disk);
    return;
  }
  for (const auto& slave : *slaves)
    if (slave != name) add_bottom_devices(files, mounts, slave, depth + 1, bottom);
}

Fact<std::string> kind_of_stack(const FileReader& files, const std::vector<Mount>& mounts,
                                const std::string& name) {
  std::set<std::string> bottom, kinds;
  add_bottom_devices(files, mounts, name, 0, bottom);
  std::string devices;
  for (const auto& disk : bottom) {
    devices += (devices.empty() ? "" : ", ") + disk;
    if (auto kind = device_kind(files, disk); !kind.empty()) kinds.insert(std::move(kind));
  }
  const std::string source = fmt::format("{} ({})", block_root, devices);
  if (kinds.empty()) return unknown<std::string>(source + " does not say");
  return kinds.size() == 1 ? reported(*kinds.begin(), source) : derived(std::string("mixed"), source);
}

/// What a program serves that is a file system: the well-known ones of distant storage. Others may read a
/// local disk (mergerfs, encryption) or anything.
Fact<std::string> kind_of_program(const std::string& type) {
  constexpr std::array distant = {"sshfs",     "rclone",        "s3fs",      "gcsfuse",   "goofys",
                                  "glusterfs", "ceph-fuse",     "ceph",      "juicefs",   "davfs",
                                  "davfs2",    "curlftpfs",     "blobfuse",  "blobfuse2", "geesefs",
                                  "mount-s3",  "mountpoint-s3", "seaweedfs", "alluxio"};
  const std::string source = fmt::format("file system type {}: served by a program", type);
  const auto dot = type.find('.');
  const bool is_distant = dot != std::string::npos &&
                          std::find(distant.begin(), distant.end(), type.substr(dot + 1)) != distant.end();
  return is_distant ? derived(std::string("network"), source) : unknown<std::string>(source);
}

}  // namespace

StorageFacts storage_of(const FileReader& files, const std::vector<Mount>& mounts, const std::string& path) {
  StorageFacts storage;
  storage.path = path;
  storage.free = unknown<Bytes>("only known on the running host");
  storage.read_rate = unknown<BytesPerSecond>("measured by --bench storage");
  const Mount* mount = mount_of(mounts, path);
  if (mount == nullptr) {
    const char* why = "no mount table lists the folder";
    storage.filesystem = unknown<std::string>(why);
    storage.device = unknown<std::string>(why);
    storage.kind = unknown<std::string>(why);
    return storage;
  }
  storage.filesystem = reported(mount->type, "/proc/self/mountinfo");
  storage.device = reported(mount->source, "/proc/self/mountinfo");
  if (auto kind =
          name_of_first(special_file_systems, [&](std::string_view type) { return mount->type == type; })) {
    storage.kind = derived(std::move(*kind), fmt::format("file system type {}", mount->type));
    return storage;
  }
  if (mount->type == "overlay") {
    storage.kind = unknown<std::string>("an overlay does not show what backs it");
    return storage;
  }
  // "fuseblk" is a program too, but one that serves a local disk (NTFS, exFAT).
  if (mount->type.starts_with("fuse") && mount->type != "fuseblk") {
    storage.kind = kind_of_program(mount->type);
    return storage;
  }
  const auto name = block_name(files, *mount);
  storage.kind = name ? kind_of_stack(files, mounts, *name)
                      : unknown<std::string>(fmt::format("no block device found for {}", mount->source));
  return storage;
}

void gather_storage(const Surroundings& from, Host& host) {
  const auto mounts = read_mounts(from.files);
  if (from.system == nullptr) {
    const std::string path = from.model_folder.empty() ? "/" : from.model_folder;
    host.storage.push_back(storage_of(from.files, mounts, path));
    return;
  }
  const std::string path = from.model_folder.empty() ? "." : from.model_folder;
  const auto real = from.system->real_path(path);
  if (!real) {
    host.warnings.push_back(
        {fmt::format("{}: no such folder", path), "Name an existing folder with --model-dir."});
    return;
  }
  StorageFacts storage = storage_of(from.files, mounts, *real);
  const auto free = from.system->free_space(*real);
  storage.free = free ? measured(*free, "statvfs") : unknown<Bytes>("statvfs failed");
  host.storage.push_back(std::move(storage));
}

}  // namespace llmsize::probe
