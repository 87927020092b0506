#include "llmsize/gguf/reader.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/gguf/header.hpp"
#include "llmsize/gguf/shards.hpp"

namespace llmsize {
namespace {

using gguf::Header;

Result<Header> open_header(const FileReader& files, const std::string& path, const TypeTable& types) {
  auto file = files.open(path);
  if (!file) return tl::unexpected(file.error());
  return gguf::read_header(**file, path, types);
}

/// Adds the tensors of the further shards to `first` and checks that they belong together.
Result<void> add_shards(const FileReader& files, const gguf::ShardName& name, const TypeTable& types,
                        Header& first) {
  for (int number = 2; number <= name.count; ++number) {
    const std::string path = name.path(number);
    auto shard = open_header(files, path, types);
    if (!shard && shard.error().code == ErrorCode::not_found)
      return fail(ErrorCode::not_found,
                  fmt::format("{}: missing, one of the model's {} shards", path, name.count),
                  "Download every shard into one folder.");
    if (!shard) return tl::unexpected(shard.error());
    if (shard->metadata.integer("split.no").value_or(number - 1) != number - 1)
      return fail(ErrorCode::malformed, fmt::format("{}: it says it is another shard than its name", path),
                  "Give the shards their published names.");
    first.data_offset += shard->data_offset;
    std::move(shard->tensors.begin(), shard->tensors.end(), std::back_inserter(first.tensors));
  }
  const auto expected = first.metadata.integer("split.tensors.count");
  if (expected && *expected != static_cast<std::int64_t>(first.tensors.size()))
    return fail(ErrorCode::malformed,
                fmt::format("{}: its shards hold {} tensors, but the first says {}", name.path(1),
                            first.tensors.size(), *expected),
                "Shards of different models are mixed; download them again.");
  return {};
}

Result<Header> read_all_shards(const FileReader& files, const std::string& path, const TypeTable& types) {
  const auto name = gguf::parse_shard_name(path);
  auto header = open_header(files, name ? name->path(1) : path, types);
  if (!header && name && header.error().code == ErrorCode::not_found && files.exists(path))
    return fail(ErrorCode::not_found, fmt::format("{}: the first shard is missing", name->path(1)),
                "Download every shard into one folder.");
  if (!header) return header;
  const auto stated = header->metadata.integer("split.count").value_or(1);
  if (stated > 1 && (!name || name->count != stated))
    return fail(ErrorCode::malformed,
                fmt::format("{}: one of {} shards, but its name does not say so", path, stated),
                fmt::format("Name the shards …-00001-of-{:05}.gguf and so on, as published.", stated));
  if (!name || stated <= 1) return header;
  if (auto added = add_shards(files, *name, types, *header); !added) return tl::unexpected(added.error());
  return header;
}

Result<void> check_names_differ(const std::string& path, const std::vector<Tensor>& tensors) {
  std::unordered_set<std::string_view> names;
  names.reserve(tensors.size());
  for (const auto& tensor : tensors)
    if (!names.insert(tensor.name).second)
      return fail(ErrorCode::malformed,
                  fmt::format("{}: two tensors are named \"{}\"", path, printable(tensor.name)),
                  "The file is damaged; the engine refuses it too.");
  return {};
}

/// File name without folder, ".gguf" and shard numbers.
std::string stem(const std::string& path) {
  const auto shard = gguf::parse_shard_name(path);
  std::string name = shard ? shard->prefix : path;
  if (!shard && name.ends_with(".gguf")) name.resize(name.size() - 5);
  const auto slash = name.rfind('/');
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

/// The engine reads a model's shape as 32-bit numbers and allows 512 layers (LLAMA_MAX_LAYERS); holding to
/// both here keeps every later product and loop within reason.
constexpr std::int64_t lowest_number = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t highest_number = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t most_layers = 512;

Result<void> check_shape(const std::string& path, const gguf::Metadata& metadata,
                         const std::string& architecture) {
  const auto in_range = [](std::int64_t value) { return value >= lowest_number && value <= highest_number; };
  for (const auto& [key, value] : metadata.values) {
    if (!key.starts_with(architecture + ".")) continue;
    const auto* number = std::get_if<std::int64_t>(&value);
    const auto* list = std::get_if<std::vector<std::int64_t>>(&value);
    if ((number != nullptr && !in_range(*number)) ||
        (list != nullptr && !std::all_of(list->begin(), list->end(), in_range)))
      return fail(ErrorCode::malformed,
                  fmt::format("{}: {} does not fit 32 bits", path, printable(key.substr(0, 80))),
                  "The engine refuses it too; the file is damaged.");
  }
  const auto layers = metadata.integer(architecture + ".block_count").value_or(0);
  const auto next_token = metadata.integer(architecture + ".nextn_predict_layers").value_or(0);
  if (layers < 0 || layers > most_layers || next_token < 0 || next_token > layers)
    return fail(ErrorCode::refused_by_engine,
                fmt::format("{}: {} layers, {} of them for next-token prediction", path, layers, next_token),
                fmt::format("The engine allows up to {} layers; the file is damaged.", most_layers));
  return {};
}

Hyperparameters hyperparameters_of(const gguf::Metadata& metadata, const std::string& architecture) {
  Hyperparameters parameters;
  const std::string prefix = architecture + ".";
  for (const auto& [key, value] : metadata.values)
    parameters.set(key.starts_with(prefix) ? key.substr(prefix.size()) : key, value);
  // The engine's rule: without the key, the vocabulary is as large as the token list.
  if (!parameters.has("vocab_size") && metadata.token_count)
    parameters.set("vocab_size", *metadata.token_count);
  return parameters;
}

/// A file without any quantized tensor is a source for quantizing, not a choice of types.
bool has_chosen_types(const std::vector<Tensor>& tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const Tensor& tensor) { return tensor.type.is_quantized(); });
}

}  // namespace

Result<Model> read_gguf(const FileReader& files, const std::string& path, const TypeTable& types) {
  auto header = read_all_shards(files, path, types);
  if (!header) return tl::unexpected(header.error());
  if (auto checked = check_names_differ(path, header->tensors); !checked)
    return tl::unexpected(checked.error());

  Model model;
  model.source = ModelSource::gguf;
  model.origin = path;
  model.id = stem(path);
  model.architecture = header->metadata.text("general.architecture");
  if (model.architecture.empty() || model.architecture != printable(model.architecture))
    return fail(ErrorCode::malformed, fmt::format("{}: no general.architecture", path),
                "It may be an adapter, a vocabulary or a projector; name the model's own file.");
  if (auto checked = check_shape(path, header->metadata, model.architecture); !checked)
    return tl::unexpected(checked.error());
  model.name = printable(header->metadata.text("general.name"));
  if (model.name.empty()) model.name = model.id;
  model.hyperparameters = hyperparameters_of(header->metadata, model.architecture);
  model.header_size = reported(header->data_offset, path);
  model.alignment = header->alignment;
  if (const auto type = header->metadata.integer("general.file_type"); type && *type >= 0 && *type < 10'000)
    model.file_type = static_cast<int>(*type);
  model.types_are_final = has_chosen_types(header->tensors);
  model.tensors = std::move(header->tensors);
  if (header->other_byte_order)
    model.notes.push_back(
        "The file is written for machines of the other byte order; the engine will not load it on this one.");
  return model;
}

}  // namespace llmsize
