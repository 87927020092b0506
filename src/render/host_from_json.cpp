#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/render/host.hpp"
#include "llmsize/render/host_fields.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::json;

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

  // What `describe` visits. A key that is missing or null leaves the member as it is.
  template <class T>
  void fact(const char* key, Fact<T>& fact) const {
    if (const Json* value = member(key)) fact.value = convert(*value, key, static_cast<T*>(nullptr));
    const Place basis = child("basis").child(key);
    basis.text("source", fact.source);
    std::string word;
    basis.text("basis", word);
    for (const Basis known :
         {Basis::measured, Basis::reported, Basis::derived, Basis::assumed, Basis::overridden})
      if (word == basis_name(known)) fact.basis = known;
  }
  void text(const char* key, std::string& text) const { take(key, text); }
  void text_or_null(const char* key, std::string& text) const { take(key, text); }
  template <class Number>
  void number(const char* key, Number& number, std::int64_t highest) const {
    const Json* value = member(key);
    if (value == nullptr) return;
    if (!value->is_number_integer() || *value < 0 || *value > highest)
      return reader_.wrong(pointer_ + "/" + key, "a whole number in range");
    number = static_cast<Number>(value->get<std::int64_t>());
  }
  template <class Number>
  void number_or_null(const char* key, Number& number, std::int64_t, std::int64_t highest) const {
    this->number(key, number, highest);
  }
  void size(const char* key, Bytes& size) const { take(key, size); }
  void flag(const char* key, bool& flag) const { take(key, flag); }
  void rate(const char* key, double& rate) const { take(key, rate); }
  void numbers(const char* key, std::vector<int>& numbers) const { take(key, numbers); }
  void rates(const char* key, std::vector<double>& rates) const {
    each_value(key, [&](const Json& item) {
      rates.push_back(convert(item, key, static_cast<double*>(nullptr)).value_or(0));
    });
  }
  void lists(const char* key, std::vector<std::vector<int>>& lists) const {
    each_value(key, [&](const Json& item) {
      auto list = convert(item, key, static_cast<std::vector<int>*>(nullptr));
      if (list && !list->empty()) lists.push_back(std::move(*list));
    });
  }
  template <class T>
  void object(const char* key, T& described) const {
    const Place place = child(key);
    describe(place, described);
  }
  template <class T>
  void each(const char* key, std::vector<T>& items) const {
    std::size_t index = 0;
    each_value(key, [&](const Json& item) {
      const Place place(reader_, &item, fmt::format("{}/{}/{}", pointer_, key, index++));
      describe(place, items.emplace_back());
    });
  }
  /// Every member's name, for objects whose keys are not fixed.
  [[nodiscard]] std::vector<std::string> keys() const {
    std::vector<std::string> names;
    if (value_ != nullptr && value_->size() <= longest_list)
      for (const auto& [name, value] : value_->items()) names.push_back(name);
    return names;
  }

 private:
  [[nodiscard]] const Json* member(const char* key) const {
    if (value_ == nullptr) return nullptr;
    const auto found = value_->find(key);
    return found == value_->end() || found->is_null() ? nullptr : &*found;
  }
  template <class T>
  void take(const char* key, T& target) const {
    const Json* value = member(key);
    if (value == nullptr) return;
    if (auto converted = convert(*value, key, static_cast<T*>(nullptr))) target = std::move(*converted);
  }
  template <class Use>
  void each_value(const char* key, Use use) const {
    const Json* array = member(key);
    if (array == nullptr) return;
    if (!array->is_array() || array->size() > longest_list)
      return reader_.wrong(pointer_ + "/" + key, "an array of reasonable length");
    for (const auto& item : *array) use(item);
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
      if (!item.is_number_integer() || item < -1 || item > 2 * highest_cpu_number)
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

void read_benchmarks(const Place& from, std::vector<BenchmarkResult>& results) {
  for (const auto& name : from.keys()) {
    std::vector<BenchmarkResult> of_name;
    from.each(name.c_str(), of_name);
    for (auto& result : of_name) {
      result.name = name;
      results.push_back(std::move(result));
    }
  }
}

}  // namespace

Result<Host> host_from_json(std::string_view text, const std::string& name) {
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded())
    return fail(ErrorCode::malformed, name + ": is not JSON", "Save it with llmsize probe --json.");
  Reader reader(name);
  const Place root(reader, &document, "");
  std::string schema;
  root.text("schema", schema);
  if (!document.is_object() || schema != "llmsize.probe/1")
    return fail(ErrorCode::malformed, name + ": is no saved probe (\"schema\" is not \"llmsize.probe/1\")",
                "Save one with llmsize probe --json.");
  Host host;
  host.name = name;
  root.object("identity", host.identity);
  root.object("memory", host.memory);
  root.object("limits", host.limits);
  root.object("cpu", host.cpu);
  root.child("numa").each("nodes", host.numa);
  root.child("numa").object("budgets", host.numa_budgets);
  root.each("storage", host.storage);
  root.each("gpus", host.gpus);
  root.each("dimms", host.dimms);
  root.object("platform", host.platform);
  root.object("effective", host.effective);
  root.each("warnings", host.warnings);
  read_benchmarks(root.child("benchmarks"), host.benchmarks);
  if (reader.error()) return tl::unexpected(*reader.error());
  return host;
}

}  // namespace llmsize::render
