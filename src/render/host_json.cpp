#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "llmsize/render/host.hpp"
#include "llmsize/render/host_fields.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

Json plain(Bytes size) {
  return size.value();
}
Json plain(BytesPerSecond rate) {
  constexpr double highest = 1e18;  // What an integer can hold.
  return std::llround(std::min(rate.per_second(), highest));
}
template <class T>
Json plain(const T& value) {
  return value;
}

/// Writes what it visits into an object; facts state their basis in a sibling object.
class Writer {
 public:
  template <class T>
  void fact(const char* key, const Fact<T>& fact) {
    object_[key] = fact.known() ? plain(*fact.value) : Json();
    if (!fact.source.empty()) basis_[key] = {{"basis", basis_name(fact.basis)}, {"source", fact.source}};
  }
  void set(const char* key, Json value) { object_[key] = std::move(value); }
  void text(const char* key, const std::string& value) { object_[key] = value; }
  void text_or_null(const char* key, const std::string& value) {
    object_[key] = value.empty() ? Json() : Json(value);
  }
  void number(const char* key, std::int64_t value, std::int64_t) { object_[key] = value; }
  void number_or_null(const char* key, std::int64_t value, std::int64_t none, std::int64_t) {
    object_[key] = value == none ? Json() : Json(value);
  }
  void size(const char* key, Bytes value) { object_[key] = value.value(); }
  void flag(const char* key, bool value) { object_[key] = value; }
  void rate(const char* key, double value) { object_[key] = value; }
  void rates(const char* key, const std::vector<double>& values) { object_[key] = values; }
  void numbers(const char* key, const std::vector<int>& values) { object_[key] = values; }
  void lists(const char* key, const std::vector<std::vector<int>>& values) { object_[key] = values; }
  template <class T>
  void object(const char* key, T& described) {
    object_[key] = json_of(described);
  }
  template <class T>
  void each(const char* key, std::vector<T>& items) {
    Json array = Json::array();
    for (auto& item : items) array.push_back(json_of(item));
    object_[key] = std::move(array);
  }
  template <class T>
  static Json json_of(T& described) {
    Writer writer;
    describe(writer, described);
    return writer.done();
  }
  [[nodiscard]] Json done() {
    if (!basis_.empty()) object_["basis"] = std::move(basis_);
    return std::move(object_);
  }

 private:
  Json object_ = Json::object();
  Json basis_ = Json::object();
};

/// What is known of AVX-512 beside the list that it is read from, since scripts ask for it.
Json cpu_json(CpuFacts& cpu) {
  Writer writer;
  describe(writer, cpu);
  // Known to be usable: false, too, where no source lists instruction sets, as `isa` being null then shows.
  writer.set("avx512", cpu.has_isa("avx512f"));
  writer.set("avx512_flags", cpu.avx512_flags());
  return writer.done();
}

Json numa_json(Host& host) {
  Writer writer;
  writer.set("node_count", host.numa.size());
  writer.each("nodes", host.numa);
  writer.object("budgets", host.numa_budgets);
  return writer.done();
}

Json benchmarks_json(std::vector<BenchmarkResult>& results) {
  Json object = Json::object();
  for (auto& result : results) object[result.name].push_back(Writer::json_of(result));
  return object;
}

Json tier_json(const std::optional<Tier>& tier) {
  if (!tier) return {{"id", nullptr}, {"name", nullptr}, {"advice", nullptr}, {"note", nullptr}};
  return {{"id", tier->rule.id},
          {"name", tier->rule.name},
          {"advice", tier->rule.advice},
          {"whole_gib", tier->whole_gib},
          {"note", tier->note.empty() ? Json() : Json(tier->note)}};
}

}  // namespace

std::string host_json(const Host& host, const std::optional<Tier>& tier) {
  // Visitors take what they may also fill in, so they get a copy.
  Host copy = host;
  Writer writer;
  writer.text("schema", "llmsize.probe/1");
  writer.object("identity", copy.identity);
  writer.object("memory", copy.memory);
  writer.object("limits", copy.limits);
  writer.set("cpu", cpu_json(copy.cpu));
  writer.set("numa", numa_json(copy));
  writer.each("storage", copy.storage);
  writer.each("gpus", copy.gpus);
  writer.each("dimms", copy.dimms);
  writer.object("platform", copy.platform);
  writer.set("benchmarks", benchmarks_json(copy.benchmarks));
  writer.set("tier", tier_json(tier));
  writer.object("effective", copy.effective);
  writer.each("warnings", copy.warnings);
  // A name from firmware need not be valid UTF-8.
  return writer.done().dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace llmsize::render
