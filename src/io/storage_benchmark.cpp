#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "llmsize/io/benchmarks.hpp"
#include "llmsize/io/timing.hpp"

namespace llmsize::io {
namespace {

constexpr std::int64_t request_size = std::int64_t{8} << 20;

/// File systems that live in memory or invent their content (Linux, uapi/linux/magic.h). Recent kernels
/// accept direct reads on tmpfs, so the type decides.
constexpr std::array<std::int64_t, 4> memory_file_systems = {0x01021994, 0x858458f6, 0x958458f6, 0x9fa0};

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (number_ >= 0) ::close(number_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int number() const { return number_; }

  [[nodiscard]] std::optional<std::int64_t> size() const {
    struct stat status {};
    if (number_ < 0 || ::fstat(number_, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
    return status.st_size;
  }
  [[nodiscard]] bool is_in_memory() const {
    struct statfs status {};
    if (::fstatfs(number_, &status) != 0) return false;
    return std::find(memory_file_systems.begin(), memory_file_systems.end(), std::int64_t{status.f_type}) !=
           memory_file_systems.end();
  }
  /// Turns the page cache off for this file; false where the file system cannot.
  [[nodiscard]] bool read_directly() const { return ::fcntl(number_, F_SETFL, O_DIRECT) == 0; }
  /// What direct reads must be aligned to.
  [[nodiscard]] std::size_t alignment() const {
    constexpr std::size_t usual = 4096, most = 65'536;
#if defined(STATX_DIOALIGN)
    struct statx answer {};
    if (::statx(number_, "", AT_EMPTY_PATH, STATX_DIOALIGN, &answer) == 0 &&
        (answer.stx_mask & STATX_DIOALIGN) != 0)
      return std::clamp<std::size_t>(std::max(answer.stx_dio_mem_align, answer.stx_dio_offset_align), usual,
                                     most);
#endif
    return std::min(usual, most);
  }
  /// The part of the first `length` bytes that the page cache holds.
  [[nodiscard]] double cached_part(std::int64_t length) const {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto bytes = static_cast<std::size_t>(length);
    void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, number_, 0);
    if (address == MAP_FAILED) return 1;
    std::vector<unsigned char> resident((bytes + page - 1) / page);
    const bool answered = ::mincore(address, bytes, resident.data()) == 0;
    ::munmap(address, bytes);
    if (!answered || resident.empty()) return 1;
    const auto held = std::count_if(resident.begin(), resident.end(),
                                    [](unsigned char state) { return (state & 1U) != 0; });
    return static_cast<double>(held) / static_cast<double>(resident.size());
  }

 private:
  int number_;
};

/// Says how the file is read, and prepares it for that.
void choose_way(const OpenFile& file, std::int64_t length, MeasuredRates& rates) {
  if (file.is_in_memory()) {
    rates.how = "the file lies in memory";
    rates.cached = true;
    return;
  }
  if (file.read_directly()) {
    rates.how = "direct reads";
    return;
  }
  const double part = file.cached_part(length);
  constexpr double percent = 100;
  rates.how = fmt::format("through the page cache, which held {:.0f} % of it", part * percent);
  rates.cached = true;
}

}  // namespace

Result<MeasuredRates> LocalBenchmarks::read_storage(const StorageReading& reading) const {
  const OpenFile file(reading.path);
  const auto size = file.size();
  if (!size || *size < request_size || reading.repetitions < 1)
    return fail(ErrorCode::unreadable, fmt::format("{}: is no readable file of 8 MiB or more", reading.path),
                "Name a large file, such as a model, with --bench-file.");
  const std::int64_t end = std::min(*size, reading.most.value()) / request_size * request_size;
  MeasuredRates rates;
  choose_way(file, end, rates);
  const std::size_t alignment = file.alignment();
  std::atomic<std::int64_t> next{0};
  std::vector<std::atomic<std::int64_t>> done(static_cast<std::size_t>(reading.repetitions));
  const double seconds_each = reading.seconds / reading.repetitions;
  const std::int64_t bytes_each =
      std::max(request_size, end / reading.repetitions / request_size * request_size);
  const std::vector<int> workers(static_cast<std::size_t>(std::max(1, reading.requests)), -1);
  rates.per_second = time_workers(
      workers, reading.repetitions, 2 * reading.seconds, [](std::size_t) {},
      [&](std::size_t, int repetition) {
        const std::unique_ptr<void, decltype(&std::free)> memory(
            std::aligned_alloc(alignment, static_cast<std::size_t>(request_size)), &std::free);
        const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                 std::chrono::duration<double>(seconds_each));
        auto& read = done[static_cast<std::size_t>(repetition)];
        while (memory && Clock::now() < deadline && read < bytes_each) {
          const ssize_t got = ::pread(file.number(), memory.get(), static_cast<std::size_t>(request_size),
                                      next.fetch_add(request_size) % end);
          if (got <= 0) return;
          read += got;
        }
      });
  for (std::size_t i = 0; i < rates.per_second.size(); ++i)
    rates.per_second[i] = static_cast<double>(done[i].load()) / rates.per_second[i];
  if (std::all_of(rates.per_second.begin(), rates.per_second.end(), [](double rate) { return rate <= 0; }))
    return fail(ErrorCode::unreadable, fmt::format("{}: could not be read", reading.path),
                "Check its permissions and the disk.");
  return rates;
}

}  // namespace llmsize::io
