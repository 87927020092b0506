#include "llmsize/hf/remote_files.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace llmsize::hf {
namespace {

/// The first line of a kept beginning, before the file's whole length.
constexpr std::string_view mark = "llmsize beginning 1 ";
/// The first request; later ones double what is there. A header with a vocabulary of 150,000 tokens takes
/// about 6 MB.
constexpr std::int64_t first_request = std::int64_t{1} << 20;
constexpr std::int64_t largest_request = std::int64_t{16} << 20;
/// Far above any header, and little enough to fetch by mistake.
constexpr std::int64_t most_fetched = std::int64_t{64} << 20;

}  // namespace

std::string HeaderCache::path_of(const std::string& name) const {
  // Names hold '/' between safe parts; a doubled '-' keeps them apart in one folder per commit.
  std::string flat;
  for (const char c : name) flat += c == '/' ? std::string("--") : std::string(1, c);
  return folder_ + "/" + flat;
}

std::optional<RemotePart> HeaderCache::load(const std::string& name) const {
  if (folder_.empty()) return std::nullopt;
  const auto text = files_.read_text(path_of(name), Bytes(most_fetched + first_request));
  if (!text || !text->starts_with(mark)) return std::nullopt;
  RemotePart part;
  const char* number = text->data() + mark.size();
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(number, end, part.total);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '\n') return std::nullopt;
  part.bytes.assign(parsed.ptr + 1, end);
  const auto held = static_cast<std::int64_t>(part.bytes.size());
  return held > 0 && held <= part.total ? std::optional(std::move(part)) : std::nullopt;
}

void HeaderCache::store(const std::string& name, const RemotePart& part) const {
  if (folder_.empty() || !writer_.make_folders(folder_)) return;
  static_cast<void>(
      writer_.write_whole(path_of(name), fmt::format("{}{}\n{}", mark, part.total, part.bytes)));
}

struct RemoteFiles::Beginning {
  std::string name;  ///< In the cache.
  std::string address;
  std::string shown;
  RemotePart part;
  std::size_t kept = 0;  ///< Bytes that the cache already holds.

  /// Makes the first `length` bytes available, or as many as the file has.
  Result<void> extend(const Hub& hub, std::int64_t length) {
    while (true) {
      const auto held = static_cast<std::int64_t>(part.bytes.size());
      if (held >= length || (part.total > 0 && held >= part.total)) return {};
      if (held >= most_fetched)
        return fail(ErrorCode::unsupported,
                    fmt::format("{}: its header is larger than {} MiB", shown, most_fetched >> 20),
                    "No published model has one this large; check the file.");
      auto more = hub.part(address, held, std::clamp(held, first_request, largest_request));
      if (!more) return tl::unexpected(more.error());
      if (part.total != 0 && part.total != more->total)
        return fail(ErrorCode::network,
                    fmt::format("{}: the file changed its length while it was read", shown), "Try again.");
      part.total = more->total;
      part.bytes += more->bytes;
    }
  }
};

namespace {

class RemoteFile final : public RandomAccessFile {
 public:
  RemoteFile(const Hub& hub, std::shared_ptr<RemoteFiles::Beginning> beginning)
      : hub_(hub), beginning_(std::move(beginning)) {}
  [[nodiscard]] Bytes size() const override { return Bytes(beginning_->part.total); }
  Result<std::size_t> read_at(std::int64_t offset, char* into, std::size_t length) override {
    const auto left = beginning_->part.total - offset;
    if (left <= 0) return std::size_t{0};
    const auto count = std::min(static_cast<std::size_t>(left), length);
    const auto end = offset + static_cast<std::int64_t>(count);
    if (auto extended = beginning_->extend(hub_, end); !extended) return tl::unexpected(extended.error());
    std::memcpy(into, beginning_->part.bytes.data() + offset, count);
    return count;
  }

 private:
  const Hub& hub_;
  std::shared_ptr<RemoteFiles::Beginning> beginning_;
};

}  // namespace

RemoteFiles::RemoteFiles(const Hub& hub, const HeaderCache& cache, std::string id, Repository repository)
    : hub_(hub),
      cache_(cache),
      id_(std::move(id)),
      prefix_("hf:" + id_ + "/"),
      repository_(std::move(repository)) {}

void RemoteFiles::keep() const {
  if (latest_ && latest_->part.bytes.size() > latest_->kept) cache_.store(latest_->name, latest_->part);
  latest_.reset();
}

Result<std::string> RemoteFiles::inner_path(const std::string& path) const {
  std::string inner = path.starts_with(prefix_) ? path.substr(prefix_.size()) : path;
  if (repository_.find(inner) == nullptr)
    return fail(ErrorCode::not_found, fmt::format("{}: the repository has no such file", path),
                "Its page on the hub lists its files.");
  return inner;
}

std::string RemoteFiles::address(const std::string& inner) const {
  return fmt::format("/{}/resolve/{}/{}", id_, repository_.commit, escape_path(inner));
}

Result<std::string> RemoteFiles::read_text(const std::string& path, Bytes limit) const {
  const auto inner = inner_path(path);
  if (!inner) return tl::unexpected(inner.error());
  if (const auto kept = cache_.load(*inner);
      kept && static_cast<std::int64_t>(kept->bytes.size()) == kept->total)
    return kept->bytes;
  auto text = hub_.document(address(*inner), limit);
  if (!text) return text;
  const auto* listed = repository_.find(*inner);
  if (listed->size && listed->size->value() != static_cast<std::int64_t>(text->size()))
    return fail(
        ErrorCode::network,
        fmt::format("{}: {} bytes came, but the listing says {}", path, text->size(), listed->size->value()),
        "Try again.");
  cache_.store(*inner, RemotePart{*text, static_cast<std::int64_t>(text->size())});
  return text;
}

Result<std::vector<std::string>> RemoteFiles::list(const std::string& folder) const {
  std::vector<std::string> names;
  if (folder + "/" == prefix_)
    for (const auto& file : repository_.files) names.push_back(file.path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> RemoteFiles::read_link(const std::string& path) const {
  return fail(ErrorCode::not_found, fmt::format("{}: not a link", path));
}

bool RemoteFiles::exists(const std::string& path) const {
  return inner_path(path).has_value();
}

bool RemoteFiles::is_folder(const std::string& path) const {
  return path + "/" == prefix_;
}

Result<std::unique_ptr<RandomAccessFile>> RemoteFiles::open(const std::string& path) const {
  keep();
  const auto inner = inner_path(path);
  if (!inner) return tl::unexpected(inner.error());
  auto beginning = std::make_shared<Beginning>();
  beginning->name = *inner;
  beginning->address = address(*inner);
  beginning->shown = path;
  if (auto kept = cache_.load(*inner)) beginning->part = *std::move(kept);
  beginning->kept = beginning->part.bytes.size();
  if (beginning->kept == 0) {
    if (auto fetched = beginning->extend(hub_, 1); !fetched) return tl::unexpected(fetched.error());
    const auto* listed = repository_.find(*inner);
    if (listed->size && listed->size->value() != beginning->part.total)
      return fail(ErrorCode::network,
                  fmt::format("{}: {} bytes long, but the listing says {}", path, beginning->part.total,
                              listed->size->value()),
                  "Try again.");
  }
  latest_ = beginning;
  return std::make_unique<RemoteFile>(hub_, std::move(beginning));
}

}  // namespace llmsize::hf
