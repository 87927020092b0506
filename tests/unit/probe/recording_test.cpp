#include "llmsize/probe/recording.hpp"

#include <cstdlib>
#include <fstream>

#include <catch2/catch.hpp>

#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

TEST_CASE("a recording replays to the same facts, and keeps no secrets") {
  TemporaryTree original;
  const std::string deep =
      "/sys/devices/pci0000:00/" + std::string(60, 'a') + "/" + std::string(60, 'b') + "/block/sda";
  original.add("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
      .add("/proc/1/environ", std::string("PASSWORD=secret\0container=lxc\0", 30))
      .add("/proc/self/mountinfo", "20 1 8:0 / / rw - ext4 /dev/sda rw\n")
      .add("/sys/devices/system/cpu/online", "0-1\n")
      .link("/sys/dev/block/8:0", "../.." + deep.substr(4))
      .link("/sys/class/block/sda", "../.." + deep.substr(4))
      .add(deep + "/queue/rotational", "0\n");
  const io::LocalFiles files;
  const RecordingFiles recording(files);
  const RootedFiles rooted(recording, original.root());
  const Host before = gather({rooted, nullptr, nullptr, nullptr, ""});
  CHECK(before.storage.at(0).kind.value == "ssd");
  const std::string archive = recording.archive();
  CHECK(archive.find("secret") == std::string::npos);

  const TemporaryTree copy;
  std::ofstream(copy.root() + "/a.tar", std::ios::binary) << archive;
  REQUIRE(std::system(("cd '" + copy.root() + "' && tar -xf a.tar").c_str()) == 0);
  const RootedFiles again(files, copy.root() + original.root());
  const Host after = gather({again, nullptr, nullptr, nullptr, ""});
  CHECK(after.memory.available.value == kibibytes(3000));
  CHECK(after.platform.container.value == "lxc");
  CHECK(after.storage.at(0).kind.value == "ssd");
  CHECK(after.cpu.logical_online.value == 2);
}
