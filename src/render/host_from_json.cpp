#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/render/host.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t highest_cpu = 32'767;
constexpr std::size_t longest_list = 65'536;

/// Remembers the first thing that is wrong, so that reading goes on without a check at every line.
class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}
  void wrong(const std::string& pointer, const char* expected) {
    if (!error_)
      error_ = Error{ErrorCode::malformed, fmt::format("{}: {} must be {}", name_, pointer, expected),
                     "Save it again with llmsize probe --json."};
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::string name_;
  std::optional<Error> error_;
};

/// An object at a place in the document; of anything else every member is missing.
class Place {
 public:
  Place(Reader& reader, const Json* value, std::string pointer)
      : reader_(reader), value_(value), pointer_(std::move(pointer)) {
    if (value_ != nullptr && !value_->is_object()) {
      reader_.wrong(pointer_, "an object");
      value_ = nullptr;
    }
  }
  [[nodiscard]] Place child(const char* key) const { return {reader_, member(key), pointer_ + "/" + key}; }
  template <class Use>
  void each(const char* key, Use use) const {
    const Json* array = member(key);
    if (array == nullptr) return;
    if (!array->is_array() || array->size() > longest_list)
      return reader_.wrong(pointer_ + "/" + key, "an array of reasonable length");
    for (std::size_t i = 0; i < array->size(); ++i)
      use(Place(reader_, &(*array)[i], fmt::format("{}/{}/{}", pointer_, key, i)));
  }
  template <class T>
  [[nodiscard]] Fact<T> fact(const char* key) const {
    Fact<T> result;
    if (const Json* value = member(key)) result.value = convert(*value, key, static_cast<T*>(nullptr));
    const Place basis = child("basis").child(key);
    result.source = basis.text("source");
    const std::string word = basis.text("basis");
    for (const Basis known :
         {Basis::measured, Basis::reported, Basis::derived, Basis::assumed, Basis::overridden})
      if (word == basis_name(known)) result.basis = known;
    return result;
  }
  [[nodiscard]] std::string text(const char* key) const {
    const Json* value = member(key);
    return value == nullptr ? std::string()
                            : convert(*value, key, static_cast<std::string*>(nullptr)).value_or("");
  }
  [[nodiscard]] std::int64_t number(const char* key, std::int64_t otherwise, std::int64_t highest) const {
    const Json* value = member(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number_integer() || *value < -1 || *value > highest) {
      reader_.wrong(pointer_ + "/" + key, "a whole number in range");
      return otherwise;
    }
    return value->get<std::int64_t>();
  }
  [[nodiscard]] std::vector<int> numbers(const char* key) const {
    return fact<std::vector<int>>(key).value_or({});
  }
  [[nodiscard]] bool flag(const char* key) const { return fact<bool>(key).value_or(false); }
  [[nodiscard]] std::vector<std::vector<int>> lists(const char* key) const {
    std::vector<std::vector<int>> result;
    const Json* value = member(key);
    if (value == nullptr) return result;
    if (!value->is_array() || value->size() > longest_list)
      return reader_.wrong(pointer_ + "/" + key, "an array of arrays"), result;
    for (const auto& item : *value)
      result.push_back(
          convert(item, key, static_cast<std::vector<int>*>(nullptr)).value_or(std::vector<int>()));
    return result;
  }

 private:
  [[nodiscard]] const Json* member(const char* key) const {
    if (value_ == nullptr) return nullptr;
    const auto found = value_->find(key);
    return found == value_->end() || found->is_null() ? nullptr : &*found;
  }
  std::nullopt_t wrong(const char* key, const char* expected) const {
    reader_.wrong(pointer_ + "/" + key, expected);
    return std::nullopt;
  }
  std::optional<Bytes> convert(const Json& value, const char* key, Bytes*) const {
    if (!value.is_number_integer() || value < 0 || value >= Bytes::highest)
      return wrong(key, "a whole number of bytes");
    return Bytes(value.get<std::int64_t>());
  }
  std::optional<int> convert(const Json& value, const char* key, int*) const {
    if (!value.is_number_integer() || value < 0 || value > std::numeric_limits<int>::max())
      return wrong(key, "a small whole number");
    return value.get<int>();
  }
  std::optional<double> convert(const Json& value, const char* key, double*) const {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0)
      return wrong(key, "a number");
    return value.get<double>();
  }
  std::optional<BytesPerSecond> convert(const Json& value, const char* key, BytesPerSecond*) const {
    const auto rate = convert(value, key, static_cast<double*>(nullptr));
    return rate ? std::optional(BytesPerSecond(*rate)) : std::nullopt;
  }
  std::optional<bool> convert(const Json& value, const char* key, bool*) const {
    if (!value.is_boolean()) return wrong(key, "true or false");
    return value.get<bool>();
  }
  std::optional<std::string> convert(const Json& value, const char* key, std::string*) const {
    if (!value.is_string()) return wrong(key, "text");
    return value.get<std::string>();
  }
  std::optional<std::vector<int>> convert(const Json& value, const char* key, std::vector<int>*) const {
    if (!value.is_array() || value.size() > longest_list) return wrong(key, "an array of whole numbers");
    std::vector<int> numbers;
    for (const auto& item : value) {
      if (!item.is_number_integer() || item < -1 || item > 2 * highest_cpu)
        return wrong(key, "an array of whole numbers");
      numbers.push_back(item.get<int>());
    }
    return numbers;
  }
  std::optional<std::vector<std::string>> convert(const Json& value, const char* key,
                                                  std::vector<std::string>*) const {
    if (!value.is_array() || value.size() > longest_list) return wrong(key, "an array of texts");
    std::vector<std::string> texts;
    for (const auto& item : value) {
      if (!item.is_string()) return wrong(key, "an array of texts");
      texts.push_back(item.get<std::string>());
    }
    return texts;
  }

  Reader& reader_;
  const Json* value_;
  std::string pointer_;
};

MemoryFacts read_memory(const Place& from) {
  MemoryFacts memory;
  memory.total = from.fact<Bytes>("total_bytes");
  memory.available = from.fact<Bytes>("available_bytes");
  memory.bandwidth = from.fact<BytesPerSecond>("bandwidth_bytes_per_second");
  memory.swap_total = from.fact<Bytes>("swap_total_bytes");
  memory.swap_free = from.fact<Bytes>("swap_free_bytes");
  memory.arc_reclaimable = from.fact<Bytes>("arc_reclaimable_bytes");
  memory.transparent_huge_pages = from.fact<std::string>("transparent_huge_pages");
  memory.overcommit = from.fact<int>("overcommit");
  from.each("huge_pages", [&](const Place& pool) {
    memory.huge_pages.push_back({pool.fact<Bytes>("page_bytes").value_or(Bytes()),
                                 pool.number("pages", 0, Bytes::highest),
                                 pool.number("free_pages", 0, Bytes::highest)});
  });
  return memory;
}

LimitFacts read_limits(const Place& from) {
  LimitFacts limits;
  limits.memory_max = from.fact<Bytes>("memory_max_bytes");
  limits.memory_high = from.fact<Bytes>("memory_high_bytes");
  limits.memory_available = from.fact<Bytes>("memory_available_bytes");
  limits.bound_by = from.text("bound_by");
  limits.cpu_quota_cores = from.fact<double>("cpu_quota_cores");
  limits.allowed_cpus = from.fact<std::vector<int>>("allowed_cpus");
  limits.allowed_memory_nodes = from.fact<std::vector<int>>("allowed_mems");
  limits.memlock = from.fact<Bytes>("memlock_bytes");
  return limits;
}

CpuFacts read_cpu(const Place& from) {
  CpuFacts cpu;
  cpu.model = from.fact<std::string>("model");
  cpu.logical_online = from.fact<int>("logical_online");
  cpu.physical_cores = from.fact<int>("physical_cores");
  cpu.packages = from.fact<int>("packages");
  cpu.online = from.fact<std::vector<int>>("online");
  for (auto& core : from.lists("cores"))
    if (!core.empty()) cpu.cores.push_back(std::move(core));
  cpu.isa = from.fact<std::vector<std::string>>("isa");
  cpu.vector_bits = from.fact<int>("vector_bits");
  cpu.last_level_cache = from.fact<Bytes>("llc_bytes");
  from.each("kinds", [&](const Place& kind) {
    cpu.kinds.push_back({kind.text("name"), static_cast<int>(kind.number("cores", 0, highest_cpu)),
                         static_cast<int>(kind.number("threads_per_core", 1, highest_cpu)),
                         kind.fact<double>("max_mhz"), kind.numbers("cpus")});
  });
  from.each("caches", [&](const Place& cache) {
    cpu.caches.push_back({static_cast<int>(cache.number("level", 0, 8)), cache.text("type"),
                          cache.fact<Bytes>("size_bytes"),
                          static_cast<int>(cache.number("instances", 0, highest_cpu))});
  });
  return cpu;
}

NumaNode read_node(const Place& from) {
  NumaNode node;
  node.id = static_cast<int>(from.number("id", 0, highest_cpu));
  node.cpus = from.numbers("cpus");
  node.total = from.fact<Bytes>("total_bytes");
  node.free = from.fact<Bytes>("free_bytes");
  node.kind = from.text("kind");
  node.distances = from.numbers("distance");
  node.side_cache = from.fact<Bytes>("side_cache_bytes");
  node.read_bandwidth = from.fact<BytesPerSecond>("bandwidth_bytes_per_second");
  return node;
}

GpuFacts read_gpu(const Place& from) {
  GpuFacts gpu;
  gpu.name = from.text("name");
  gpu.vendor = from.text("vendor");
  gpu.id = from.text("id");
  gpu.memory_total = from.fact<Bytes>("memory_total_bytes");
  gpu.memory_free = from.fact<Bytes>("memory_free_bytes");
  gpu.unified = from.flag("unified");
  gpu.pool_id = from.text("pool_id");
  gpu.bandwidth = from.fact<BytesPerSecond>("bandwidth_bytes_per_second");
  gpu.backend = from.fact<std::string>("backend");
  return gpu;
}

void read_devices(const Place& from, Host& host) {
  from.child("numa").each("nodes", [&](const Place& node) { host.numa.push_back(read_node(node)); });
  from.each("storage", [&](const Place& item) {
    host.storage.push_back({item.text("path"), item.fact<std::string>("filesystem"),
                            item.fact<std::string>("device"), item.fact<std::string>("kind"),
                            item.fact<Bytes>("free_bytes"),
                            item.fact<BytesPerSecond>("read_bytes_per_second")});
  });
  from.each("gpus", [&](const Place& gpu) { host.gpus.push_back(read_gpu(gpu)); });
  from.each("dimms", [&](const Place& dimm) {
    host.dimms.push_back({dimm.text("locator"), dimm.fact<Bytes>("size_bytes").value_or(Bytes()),
                          dimm.number("mega_transfers_per_second", 0, 1'000'000),
                          static_cast<int>(dimm.number("channel", -1, highest_cpu))});
  });
}

}  // namespace

Result<Host> host_from_json(std::string_view text, const std::string& name) {
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded())
    return fail(ErrorCode::malformed, name + ": is not JSON", "Save it with llmsize probe --json.");
  Reader reader(name);
  const Place root(reader, &document, "");
  if (!document.is_object() || root.text("schema") != "llmsize.probe/1")
    return fail(ErrorCode::malformed, name + ": is no saved probe (\"schema\" is not \"llmsize.probe/1\")",
                "Save one with llmsize probe --json.");
  Host host;
  host.name = name;
  host.memory = read_memory(root.child("memory"));
  host.limits = read_limits(root.child("limits"));
  host.cpu = read_cpu(root.child("cpu"));
  read_devices(root, host);
  const Place platform = root.child("platform"), effective = root.child("effective");
  host.platform = {platform.fact<std::string>("os"),        platform.fact<std::string>("kernel"),
                   platform.fact<std::string>("machine"),   platform.fact<std::string>("virtualization"),
                   platform.fact<std::string>("container"), platform.fact<bool>("wsl")};
  host.effective = {effective.fact<Bytes>("memory_bytes"), effective.fact<int>("threads"),
                    effective.fact<int>("prompt_threads"), effective.text("bound_by")};
  root.each("warnings", [&](const Place& warning) {
    host.warnings.push_back({warning.text("message"), warning.text("remedy")});
  });
  if (reader.error()) return tl::unexpected(*reader.error());
  return host;
}

}  // namespace llmsize::render
