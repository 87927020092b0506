#include "llmsize/gguf/metadata.hpp"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

namespace llmsize::gguf {
namespace {

/// Value types, with their numbers in the GGUF specification.
enum class ValueType : std::uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  string,
  array,
  uint64,
  int64,
  float64
};
constexpr std::uint32_t value_type_count = 13;
/// Bytes of one value; 0 where the length is in the file.
constexpr std::int64_t value_sizes[value_type_count] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/// The specification's limit on keys.
constexpr std::int64_t longest_key = 65'535;
/// Longer texts (chat templates, licences) decide no size and are passed over.
constexpr std::int64_t longest_kept_text = 1024;
/// Longer arrays are vocabularies or the like: the engine's layer limit is 512.
constexpr std::int64_t longest_kept_array = 4096;
/// All kept arrays together, so that a hostile header cannot grow in memory beyond its own size by much.
constexpr std::int64_t most_kept_elements = 1 << 20;
constexpr std::int64_t plausible_length = std::int64_t{1} << 48;

constexpr std::string_view tokenizer_prefix = "tokenizer.";
constexpr std::string_view tokens_key = "tokenizer.ggml.tokens";

bool is_float(ValueType type) {
  return type == ValueType::float32 || type == ValueType::float64;
}

/// Integers of every width, read as 64 bits. What does not fit is refused: no size is that large.
std::int64_t read_integer(Cursor& cursor, ValueType type) {
  if (type == ValueType::uint8 || type == ValueType::boolean) return cursor.number<std::uint8_t>();
  if (type == ValueType::int8) return cursor.number<std::int8_t>();
  if (type == ValueType::uint16) return cursor.number<std::uint16_t>();
  if (type == ValueType::int16) return cursor.number<std::int16_t>();
  if (type == ValueType::uint32) return cursor.number<std::uint32_t>();
  if (type == ValueType::int32) return cursor.number<std::int32_t>();
  if (type == ValueType::int64) return cursor.number<std::int64_t>();
  const auto value = cursor.number<std::uint64_t>();
  constexpr auto highest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value > highest)
    cursor.set_error({ErrorCode::overflow,
                      fmt::format("{}: the number {} at byte {} does not fit 63 bits", cursor.path(), value,
                                  cursor.position() - 8),
                      "The file is damaged; download it again."});
  return static_cast<std::int64_t>(std::min(value, highest));
}

double read_float(Cursor& cursor, ValueType type) {
  return type == ValueType::float32 ? static_cast<double>(cursor.number<float>()) : cursor.number<double>();
}

std::optional<ValueType> read_type(Cursor& cursor, const std::string& key) {
  const auto number = cursor.number<std::uint32_t>();
  if (cursor.failed()) return std::nullopt;
  if (number < value_type_count) return static_cast<ValueType>(number);
  cursor.set_error({ErrorCode::malformed,
                    fmt::format("{}: metadata key \"{}\" has the unknown value type {}", cursor.path(),
                                key.substr(0, 80), number),
                    "The file is damaged, or newer than this llmsize."});
  return std::nullopt;
}

/// Reads the values of one file, carrying what limits them all.
class MetadataReader {
 public:
  explicit MetadataReader(Cursor& cursor) : cursor_(cursor) {}

  void read_pair(Metadata& into) {
    std::string key = cursor_.text(cursor_.count("the length of a metadata key", longest_key));
    const auto type = read_type(cursor_, key);
    if (!type) return;
    if (key.empty() || !keys_.insert(key).second)
      return cursor_.set_error(
          {ErrorCode::malformed,
           key.empty()
               ? fmt::format("{}: an empty metadata key at byte {}", cursor_.path(), cursor_.position())
               : fmt::format("{}: metadata key \"{}\" appears twice", cursor_.path(), key.substr(0, 80)),
           "The file is damaged; the engine refuses it too."});
    const bool keep = !std::string_view(key).starts_with(tokenizer_prefix);
    auto value = *type == ValueType::array    ? read_array(key, keep, into)
                 : *type == ValueType::string ? read_text(keep)
                                              : read_scalar(*type);
    if (keep && value && !cursor_.failed()) into.values.emplace_back(std::move(key), std::move(*value));
  }

 private:
  using Value = std::optional<Hyperparameters::Value>;

  Value read_scalar(ValueType type) {
    if (is_float(type)) return read_float(cursor_, type);
    return read_integer(cursor_, type);
  }

  Value read_text(bool keep) {
    const auto length = cursor_.count("the length of a text", plausible_length);
    if (keep && length <= longest_kept_text) return cursor_.text(length);
    cursor_.skip(length);
    return std::nullopt;
  }

  Value read_array(const std::string& key, bool keep, Metadata& into) {
    const auto type = read_type(cursor_, key);
    const auto length = cursor_.count("the length of an array", plausible_length);
    if (!type || cursor_.failed()) return std::nullopt;
    if (key == tokens_key) into.token_count = length;
    if (*type == ValueType::array) {
      cursor_.set_error({ErrorCode::malformed,
                         fmt::format("{}: metadata key \"{}\" is an array of arrays", cursor_.path(), key),
                         "The engine refuses nested arrays too."});
      return std::nullopt;
    }
    if (*type == ValueType::string) {
      cursor_.skip_strings(length);
      return std::nullopt;
    }
    const auto bytes = length * value_sizes[static_cast<std::size_t>(*type)];
    if (!keep || length > longest_kept_array || length > most_kept_elements - kept_ ||
        bytes > cursor_.remaining()) {
      cursor_.skip(bytes);
      return std::nullopt;
    }
    kept_ += length;
    return is_float(*type) ? read_list<double>(*type, length, read_float)
                           : read_list<std::int64_t>(*type, length, read_integer);
  }

  template <class T>
  Value read_list(ValueType type, std::int64_t length, T (*read)(Cursor&, ValueType)) {
    std::vector<T> list(static_cast<std::size_t>(length));
    for (auto& element : list) element = read(cursor_, type);
    return Hyperparameters::Value(std::move(list));
  }

  Cursor& cursor_;
  std::unordered_set<std::string> keys_;
  std::int64_t kept_ = 0;
};

}  // namespace

const Hyperparameters::Value* Metadata::find(std::string_view key) const {
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const auto& pair) { return pair.first == key; });
  return found == values.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> Metadata::integer(std::string_view key) const {
  const auto* value = find(key);
  const auto* number = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
  return number == nullptr ? std::nullopt : std::optional(*number);
}

std::string Metadata::text(std::string_view key) const {
  const auto* value = find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::string() : *text;
}

Metadata read_metadata(Cursor& cursor, std::int64_t count) {
  Metadata metadata;
  MetadataReader reader(cursor);
  cursor.enter("the metadata");
  for (std::int64_t i = 0; i < count && !cursor.failed(); ++i) reader.read_pair(metadata);
  return metadata;
}

}  // namespace llmsize::gguf
