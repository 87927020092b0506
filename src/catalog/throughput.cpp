#include "llmsize/catalog/throughput.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

constexpr double giga = 1e9;
constexpr double tera = 1e12;
constexpr double micro = 1e-6;

/// Reads an object's values and remembers the first that is missing or out of range.
class Reader {
 public:
  Reader(const EntryReference& reference, const nlohmann::json& object, std::string path = {})
      : reference_(reference), object_(object), path_(std::move(path)) {}

  std::string text(const char* key, bool required = true) {
    const auto found = object_.find(key);
    if (found != object_.end() && found->is_string() && !found->get<std::string>().empty())
      return found->get<std::string>();
    if (required) complain(key, "must be a text");
    return {};
  }
  /// A number above `low` (or equal to it) and at most `high`.
  double number(const char* key, double low, double high) {
    const auto value = optional_number(key, low, high);
    if (!value && error_.empty()) complain(key, "is missing");
    return value.value_or(1);
  }
  std::optional<double> optional_number(const char* key, double low, double high) {
    const auto found = object_.find(key);
    if (found == object_.end()) return std::nullopt;
    if (found->is_number() && found->get<double>() >= low && found->get<double>() <= high)
      return found->get<double>();
    complain(key, fmt::format("must be a number from {:g} to {:g}", low, high));
    return std::nullopt;
  }
  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> list;
    const auto found = object_.find(key);
    if (found == object_.end()) return list;
    if (!found->is_array()) complain(key, "must be a list");
    for (const auto& text : *found) {
      if (text.is_string())
        list.push_back(text.get<std::string>());
      else
        complain(key, "must hold texts");
    }
    return list;
  }
  bool flag(const char* key) {
    const auto found = object_.find(key);
    if (found != object_.end() && found->is_boolean()) return found->get<bool>();
    complain(key, "must be true or false");
    return false;
  }
  Efficiency efficiency(const char* dense, const char* experts, double low, double high, double unit = 1) {
    return {number(dense, low, high) * unit, number(experts, low, high) * unit};
  }
  Spread spread(const char* low_key = "low", const char* high_key = "high") {
    return {number(low_key, 0.01, 1), number(high_key, 1, 100)};
  }
  /// Every value of the object, all of them numbers.
  std::map<std::string, double> numbers(double low, double high) {
    std::map<std::string, double> values;
    for (const auto& [key, value] : object_.items()) values[key] = number(key.c_str(), low, high);
    return values;
  }
  Reader inside(const char* key) {
    static const nlohmann::json empty = nlohmann::json::object();
    const auto found = object_.find(key);
    const bool usable = found != object_.end() && found->is_object();
    if (!usable) complain(key, "must be an object");
    return {reference_, usable ? *found : empty, path_ + '/' + key};
  }
  void take_error(const Reader& other) {
    if (error_.empty()) error_ = other.error_;
  }
  template <class T>
  Result<T> finish(T value) const {
    if (error_.empty()) return value;
    return fail(ErrorCode::malformed, fmt::format("{}: {}", reference_.location.describe(), error_),
                "Run llmsize catalog validate.");
  }
  void complain(const char* key, const std::string& what) {
    if (error_.empty()) error_ = fmt::format("\"{}/{}\" {}", path_, key, what);
  }

 private:
  const EntryReference& reference_;
  const nlohmann::json& object_;
  std::string path_;
  std::string error_;
};

GpuClass read_gpu_class(Reader& entry, std::string_view id) {
  GpuClass result;
  result.id = id;
  result.source = entry.text("source");
  Reader decode = entry.inside("decode");
  result.decode_efficiency = decode.efficiency("efficiency_dense", "efficiency_experts", 0.01, 1.2);
  result.layer_seconds =
      decode.efficiency("layer_microseconds_dense", "layer_microseconds_experts", 0, 100'000, micro);
  result.cache_factor = decode.number("kv_factor", 0.1, 100);
  result.latent_cache_factor = decode.number("latent_kv_factor", 0.1, 100);
  result.decode_spread = decode.spread();
  entry.take_error(decode);
  Reader prompt = entry.inside("prompt");
  const std::string peak = prompt.text("peak");
  if (peak != "fp32" && peak != "fp16") prompt.complain("peak", "must be \"fp32\" or \"fp16\"");
  result.prompt_peak = peak == "fp16" ? Peak::fp16 : Peak::fp32;
  result.prompt_efficiency = prompt.efficiency("efficiency_dense", "efficiency_experts", 0.001, 20);
  result.prompt_spread = prompt.spread();
  entry.take_error(prompt);
  return result;
}

Efficiency read_efficiency(Reader& decode, const char* key) {
  Reader inner = decode.inside(key);
  const Efficiency efficiency = inner.efficiency("efficiency_dense", "efficiency_experts", 0.01, 1.2);
  decode.take_error(inner);
  return efficiency;
}

std::map<std::string, double> read_numbers(Reader& entry, const char* key, double low, double high) {
  Reader inner = entry.inside(key);
  auto numbers = inner.numbers(low, high);
  entry.take_error(inner);
  return numbers;
}

CpuConstants read_cpu(Reader& entry) {
  CpuConstants cpu;
  cpu.source = entry.text("source");
  Reader decode = entry.inside("decode");
  cpu.one_socket = read_efficiency(decode, "one_socket");
  cpu.two_sockets = read_efficiency(decode, "two_sockets");
  cpu.of_measured_bandwidth = read_efficiency(decode, "measured_bandwidth");
  cpu.layer_seconds = decode.number("layer_microseconds", 0, 100'000) * micro;
  cpu.cache_factor = decode.number("kv_factor", 0.1, 100);
  cpu.spread = decode.spread();
  cpu.two_socket_spread = decode.spread("two_sockets_low", "two_sockets_high");
  cpu.measured_spread = decode.spread("measured_low", "measured_high");
  entry.take_error(decode);

  constexpr double slowest = 1e6, fastest = 1e13;
  cpu.weights_per_second = read_numbers(entry, "weights_per_second_per_core", slowest, fastest);
  cpu.other_weights_per_second = entry.number("other_weights_per_second_per_core", slowest, fastest);
  cpu.plain_core_factor = entry.number("plain_core_factor", 0.01, 1);
  cpu.prompt_type_factor = read_numbers(entry, "prompt_type_factor", 0.01, 100);
  Reader flops = entry.inside("prompt_flops_per_core");
  cpu.prompt_flops = {{CoreKind::avx512, flops.number("avx512", slowest, fastest)},
                      {CoreKind::avx2, flops.number("avx2", slowest, fastest)},
                      {CoreKind::dot_product, flops.number("dot_product", slowest, fastest)},
                      {CoreKind::plain, flops.number("plain", slowest, fastest)}};
  cpu.prompt_spread = flops.spread();
  entry.take_error(flops);
  return cpu;
}

BusRate read_bus(Reader& entry) {
  constexpr double fastest = 10'000;
  BusRate bus;
  const double low = entry.number("low_gb_per_second", 0.1, fastest);
  const double mid = entry.number("mid_gb_per_second", low, fastest);
  bus.low = BytesPerSecond(low * giga);
  bus.mid = BytesPerSecond(mid * giga);
  bus.high = BytesPerSecond(entry.number("high_gb_per_second", mid, fastest) * giga);
  bus.source = entry.text("source");
  return bus;
}

AccelerationMethod read_method(Reader& entry, std::string_view id) {
  AccelerationMethod method;
  method.id = id;
  method.name = entry.text("name");
  method.family = entry.text("family");
  method.low = entry.number("low", 0.01, 100);
  method.mid = entry.number("mid", method.low, 100);
  method.high = entry.number("high", method.mid, 100);
  method.hardware = entry.text("hardware");
  method.task = entry.text("task");
  method.baseline = entry.text("baseline");
  method.note = entry.text("note", false);
  method.source = entry.text("source");
  method.lossy = entry.flag("lossy");
  method.weak_baseline = entry.flag("weak_baseline");
  method.needs = entry.texts("needs");
  return method;
}

std::optional<double> times(std::optional<double> value, double factor) {
  if (value) *value *= factor;
  return value;
}

}  // namespace

const GpuClass* ThroughputTable::find_class(std::string_view id) const {
  const auto found =
      std::find_if(gpu_classes.begin(), gpu_classes.end(), [&](const GpuClass& c) { return c.id == id; });
  return found == gpu_classes.end() ? nullptr : &*found;
}

Result<GpuSpec> parse_gpu(const EntryReference& reference, const nlohmann::json& entry) {
  Reader reader(reference, entry);
  GpuSpec gpu;
  gpu.id = reference.id;
  gpu.name = reader.text("name");
  gpu.vendor = reader.text("vendor");
  gpu.class_id = reader.text("class");
  gpu.backend = reader.text("backend");
  gpu.source = reader.text("source");
  gpu.buffer_alignment = static_cast<std::int64_t>(reader.number("buffer_alignment", 1, 65'536));
  if (const auto memory = reader.optional_number("memory_gib", 0.25, 65'536))
    gpu.memory = Bytes(std::llround(*memory * static_cast<double>(gibibytes(1).value())));
  gpu.bandwidth = BytesPerSecond(reader.number("bandwidth_gb_per_second", 1, 1'000'000) * giga);
  gpu.fp32_flops = times(reader.optional_number("fp32_tflops", 0.01, 1'000'000), tera);
  gpu.fp16_flops = times(reader.optional_number("fp16_tflops", 0.01, 1'000'000), tera);
  gpu.unified = reader.flag("unified");
  if (!gpu.memory && !gpu.unified) reader.complain("memory_gib", "is missing");
  return reader.finish(std::move(gpu));
}

Result<void> parse_throughput(const EntryReference& reference, const nlohmann::json& entry,
                              ThroughputTable& table) {
  Reader reader(reference, entry);
  const std::string part = reader.text("part");
  if (part == "gpu_class") {
    table.gpu_classes.push_back(read_gpu_class(reader, reference.id));
  } else if (part == "cpu") {
    table.cpu = read_cpu(reader);
  } else if (part == "bus") {
    table.bus = read_bus(reader);
  } else if (part == "method") {
    table.methods.push_back(read_method(reader, reference.id));
  } else {
    reader.complain("part", "must be \"gpu_class\", \"cpu\", \"bus\" or \"method\"");
  }
  const auto result = reader.finish(true);
  if (!result) return tl::unexpected(result.error());
  return {};
}

Result<ThroughputTable> load_throughput(const Catalog& catalog) {
  ThroughputTable table;
  for (const auto& reference : catalog.list("throughput")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    const auto parsed = parse_throughput(reference, *entry, table);
    if (!parsed) return tl::unexpected(parsed.error());
  }
  return table;
}

Result<GpuSpec> load_gpu(const Catalog& catalog, std::string_view name) {
  const auto reference = catalog.find_by_name("gpu", name);
  if (!reference) {
    const auto similar = catalog.similar("gpu", name);
    return fail(ErrorCode::not_found, fmt::format("no GPU is called \"{}\"", name),
                similar.empty()
                    ? "List them with: llmsize catalog list gpu. Or give its memory: --gpu 24GiB."
                    : fmt::format("Similar: {}. Or give its memory: --gpu 24GiB.", fmt::join(similar, ", ")));
  }
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());
  return parse_gpu(*reference, *entry);
}

}  // namespace llmsize::catalog
