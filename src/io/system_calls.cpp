#include "llmsize/io/system_calls.hpp"

#include <climits>
#include <cstdlib>

#include <dlfcn.h>
#include <sched.h>
#include <sys/auxv.h>
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

Result<std::unique_ptr<DynamicLibrary>> LocalSystem::open_library(const std::string& name) const {
  void* handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return fail(ErrorCode::not_found, name + " is not installed");
  return std::make_unique<LoadedLibrary>(handle);
}

}  // namespace llmsize::io
