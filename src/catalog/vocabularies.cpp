#include "llmsize/catalog/vocabularies.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/weights.hpp"

namespace llmsize::catalog {
namespace {

constexpr std::string_view kind = "vocabulary";

/// Room for general.quantization_version and the four quantize.imatrix.* keys with a file name and a data
/// set's name of up to 127 bytes each. Source: llama.cpp v0.5.0, tools/quantize.
constexpr Bytes quantizer_keys(512);

/// The most telling entry that there is.
std::optional<EntryReference> entry_for(const Catalog& catalog, const Model& model) {
  const std::string size = std::to_string(model.hyperparameters.vocabulary_size());
  for (const std::string& id : {model.architecture + "/" + size, size, std::string("any")})
    if (const auto entry = catalog.find(kind, id)) return entry;
  return std::nullopt;
}

/// The tensor table: per tensor a length and name, dimension count and dimensions, type and offset.
Bytes table_size(const Model& model) {
  Bytes size;
  for (const auto& tensor : model.tensors)
    size += Bytes(static_cast<std::int64_t>(tensor.name.size()) + 8 + 4 + 8 * tensor.rank() + 4 + 8);
  return size;
}

Result<SizedPart> estimate(const Catalog& catalog, const Model& model) {
  const auto entry = entry_for(catalog, model);
  if (!entry)
    return fail(ErrorCode::not_found, "the catalog has no vocabulary \"any\"",
                "Run llmsize catalog validate.");
  const auto document = catalog.parse(*entry);
  if (!document) return tl::unexpected(document.error());
  const auto tokens = static_cast<double>(model.hyperparameters.vocabulary_size());
  const auto header = [&](const char* key) -> std::optional<Bytes> {
    // Far more bytes per token than any vocabulary has: a slip of the pen.
    constexpr double most = 10'000;
    const auto found = document->find(key);
    if (found == document->end() || !found->is_number()) return std::nullopt;
    const auto per_token = found->get<double>();
    if (!(per_token >= 0 && per_token <= most)) return std::nullopt;
    return align_up(table_size(model) + Bytes(std::llround(per_token * tokens)), model.alignment);
  };
  const auto size = header("bytes_per_token"), low = header("low"), high = header("high");
  if (!size || !low || !high)
    return fail(ErrorCode::malformed,
                fmt::format("{}: \"low\", \"bytes_per_token\" and \"high\" must be numbers of bytes",
                            entry->location.describe()),
                "Run llmsize catalog validate.");
  return SizedPart{*size, *low, *high, Basis::derived,
                   entry->id == "any" ? "vocabularies of published files"
                                      : fmt::format("published files with the vocabulary {}", entry->id)};
}

}  // namespace

Result<SizedPart> header_size(const Catalog& catalog, const Model& model) {
  if (!model.header_size.known()) return estimate(catalog, model);
  const auto& stated = model.header_size;
  const Bytes room = stated.basis == Basis::reported ? Bytes() : quantizer_keys;
  return SizedPart{*stated.value, *stated.value, *stated.value + room, stated.basis, stated.source};
}

Result<SizedPart> file_size(const Catalog& catalog, const Model& model) {
  auto part = header_size(catalog, model);
  if (!part) return part;
  const Bytes data = weight_sizes(model).file_data;
  part->size += data;
  part->low += data;
  part->high += data;
  return part;
}

}  // namespace llmsize::catalog
