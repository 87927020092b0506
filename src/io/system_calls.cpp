#include "llmsize/io/system_calls.hpp"

#include <climits>
#include <cstdint>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace llmsize::io {
namespace {

class LoadedLibrary final : public DynamicLibrary {
 public:
  explicit LoadedLibrary(void* handle) : handle_(handle) {}
  ~LoadedLibrary() override { ::dlclose(handle_); }
  LoadedLibrary(const LoadedLibrary&) = delete;
  LoadedLibrary& operator=(const LoadedLibrary&) = delete;
  [[nodiscard]] void* symbol(const char* name) const override { return ::dlsym(handle_, name); }

 private:
  void* handle_;
};

// Both drivers are asked twice: for the answer's length, and for the answer. Layouts and numbers: Linux,
// include/uapi/drm/i915_drm.h and xe_drm.h, which not every distribution installs.
constexpr std::int32_t longest_answer = 1 << 16;
constexpr unsigned long request_number(unsigned number, std::size_t size) {
  constexpr unsigned first_of_driver = 0x40;
  return _IOC(_IOC_READ | _IOC_WRITE, 'd', first_of_driver + number, size);
}

std::optional<std::string> i915_regions(int file) {
  struct Item {
    std::uint64_t query = 4;  // DRM_I915_QUERY_MEMORY_REGIONS
    std::int32_t length = 0;
    std::uint32_t flags = 0;
    std::uint64_t data = 0;
  } item;
  struct Query {
    std::uint32_t items = 1, flags = 0;
    std::uint64_t first_item = 0;
  } query;
  query.first_item = reinterpret_cast<std::uintptr_t>(&item);
  constexpr unsigned long request = request_number(0x39, sizeof query);
  if (::ioctl(file, request, &query) != 0 || item.length <= 0 || item.length > longest_answer)
    return std::nullopt;
  std::string answer(static_cast<std::size_t>(item.length), '\0');
  item.data = reinterpret_cast<std::uintptr_t>(answer.data());
  // What cannot be said is said in the length.
  if (::ioctl(file, request, &query) != 0 || item.length <= 0) return std::nullopt;
  return answer;
}

std::optional<std::string> xe_regions(int file) {
  struct Query {
    std::uint64_t extensions = 0;
    std::uint32_t query = 1;  // DRM_XE_DEVICE_QUERY_MEM_REGIONS
    std::uint32_t size = 0;
    std::uint64_t data = 0, reserved[2] = {};
  } query;
  constexpr unsigned long request = request_number(0, sizeof query);
  if (::ioctl(file, request, &query) != 0 || query.size == 0 ||
      query.size > static_cast<std::uint32_t>(longest_answer))
    return std::nullopt;
  std::string answer(query.size, '\0');
  query.data = reinterpret_cast<std::uintptr_t>(answer.data());
  if (::ioctl(file, request, &query) != 0) return std::nullopt;
  return answer;
}

}  // namespace

std::optional<CpuidRegisters> LocalProcessor::cpuid([[maybe_unused]] std::uint32_t leaf,
                                                    [[maybe_unused]] std::uint32_t subleaf) const {
#if defined(__x86_64__) || defined(__i386__)
  CpuidRegisters registers{};
  __cpuid_count(leaf, subleaf, registers[0], registers[1], registers[2], registers[3]);
  return registers;
#else
  return std::nullopt;
#endif
}

std::optional<CpuidRegisters> LocalProcessor::cpuid_on([[maybe_unused]] int cpu,
                                                       [[maybe_unused]] std::uint32_t leaf,
                                                       [[maybe_unused]] std::uint32_t subleaf) const {
#if defined(__x86_64__) || defined(__i386__)
  cpu_set_t before, there;
  CPU_ZERO(&there);
  if (cpu < 0 || cpu >= CPU_SETSIZE || ::sched_getaffinity(0, sizeof before, &before) != 0)
    return std::nullopt;
  CPU_SET(static_cast<std::size_t>(cpu), &there);
  if (::sched_setaffinity(0, sizeof there, &there) != 0) return std::nullopt;
  auto registers = cpuid(leaf, subleaf);
  (void)::sched_setaffinity(0, sizeof before, &before);
  return registers;
#else
  return std::nullopt;
#endif
}

std::uint64_t LocalProcessor::enabled_state() const {
#if defined(__x86_64__) || defined(__i386__)
  std::uint32_t low = 0, high = 0;
  // The intrinsic would need the whole file compiled for XSAVE.
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32U | low;
#else
  return 0;
#endif
}

bool LocalProcessor::tiles_permitted() const {
#if defined(__x86_64__)
  // Linux, Documentation/x86/xstate: ask for the tile data component before the first use.
  constexpr long request_permission = 0x1023, tile_data_component = 18;
  return ::syscall(SYS_arch_prctl, request_permission, tile_data_component) == 0;
#else
  return false;
#endif
}

std::optional<std::array<std::uint64_t, 2>> LocalProcessor::arm_capabilities() const {
#if defined(__aarch64__)
  return std::array<std::uint64_t, 2>{::getauxval(AT_HWCAP), ::getauxval(AT_HWCAP2)};
#else
  return std::nullopt;
#endif
}

std::optional<std::vector<int>> LocalSystem::affinity() const {
  // The kernel refuses a mask shorter than its own, whose length depends on its configuration.
  constexpr int highest_count = 65'536;
  for (int count = 1024; count <= highest_count; count *= 2) {
    cpu_set_t* mask = CPU_ALLOC(static_cast<std::size_t>(count));
    if (mask == nullptr) return std::nullopt;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(count));
    std::vector<int> cpus;
    const bool answered = ::sched_getaffinity(0, size, mask) == 0;
    for (int cpu = 0; answered && cpu < count; ++cpu)
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), size, mask)) cpus.push_back(cpu);
    CPU_FREE(mask);
    if (answered) return cpus;
  }
  return std::nullopt;
}

std::optional<Bytes> LocalSystem::free_space(const std::string& path) const {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return std::nullopt;
  return Bytes(saturating_multiply(static_cast<std::int64_t>(status.f_bavail),
                                   static_cast<std::int64_t>(status.f_frsize)));
}

std::optional<std::string> LocalSystem::real_path(const std::string& path) const {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return std::nullopt;
  return std::string(resolved);
}

std::optional<Bytes> LocalSystem::physical_memory() const {
  const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0) return std::nullopt;
  return Bytes(saturating_multiply(pages, size));
}

std::optional<std::string> LocalSystem::machine() const {
  utsname names{};
  if (::uname(&names) != 0) return std::nullopt;
  return std::string(names.machine);
}

std::optional<std::string> LocalSystem::memory_regions(const std::string& device,
                                                       const std::string& driver) const {
  const int file = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  auto answer = driver == "xe"     ? xe_regions(file)
                : driver == "i915" ? i915_regions(file)
                                   : std::optional<std::string>();
  ::close(file);
  return answer;
}

Result<std::unique_ptr<DynamicLibrary>> LocalSystem::open_library(const std::string& name) const {
  void* handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return fail(ErrorCode::not_found, name + " is not installed");
  return std::make_unique<LoadedLibrary>(handle);
}

}  // namespace llmsize::io
