#include "llmsize/core/repack.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "llmsize/core/weights.hpp"

namespace llmsize {
namespace {

constexpr std::int64_t buffer_alignment = 32;

/// A type that a vector unit takes, in whole groups of `rows`.
struct Layout {
  std::string_view type;
  std::int64_t rows = 8;
  std::int64_t extra_per_block = 0;  ///< Bytes that the layout adds to each block of a row.
};

constexpr Layout avx2_layouts[] = {{"q4_0"}, {"q4_K"}, {"iq4_nl"}, {"mxfp4"}};
constexpr Layout avx512_layouts[] = {{"q4_0"}, {"q4_K"}, {"iq4_nl"}, {"mxfp4"}, {"q2_K"}};
constexpr Layout neon_layouts[] = {{"q4_0", 4}, {"q8_0", 4}, {"iq4_nl", 4}, {"mxfp4", 4},
                                   {"q1_0", 4}, {"q4_K"},    {"q5_K"},      {"q6_K"}};
// Sums for the signed-byte product: 4 bytes a block of q8_0; unpacked scales: 4 of q4_K and q5_K, 2 of
// iq4_xs.
constexpr Layout amx_layouts[] = {{"q4_0", 32},    {"q4_1", 32},    {"q8_0", 32, 4},   {"q4_K", 32, 4},
                                  {"q5_K", 32, 4}, {"q6_K", 32, 0}, {"iq4_xs", 32, 2}, {"f16", 32}};
// AMX kernels take rows of whole groups of this many elements (TILE_K * 2 * 32).
constexpr std::int64_t amx_row_multiple = 2048;

/// A vector unit, which the engine uses where all of `flags` are there.
struct VectorUnit {
  std::string_view name;
  std::vector<std::string_view> flags;
  const Layout* begin;
  const Layout* end;
  std::int64_t row_multiple = 1;
  bool experts = true;  ///< Takes the experts' three-dimensional weights, too.
};

/// In the order in which the engine asks them for each tensor.
const std::vector<VectorUnit>& vector_units() {
  static const std::vector<VectorUnit> units{
      {"AMX",
       {"amx_tile", "amx_int8", "avx512_vnni"},
       std::begin(amx_layouts),
       std::end(amx_layouts),
       amx_row_multiple,
       false},
      {"AVX-512", {"avx512f"}, std::begin(avx512_layouts), std::end(avx512_layouts)},
      {"AVX2", {"avx2"}, std::begin(avx2_layouts), std::end(avx2_layouts)},
      {"NEON", {"asimddp"}, std::begin(neon_layouts), std::end(neon_layouts)}};
  return units;
}

bool has_all(const std::vector<std::string>& isa, const std::vector<std::string_view>& flags) {
  return std::all_of(flags.begin(), flags.end(),
                     [&](auto flag) { return std::find(isa.begin(), isa.end(), flag) != isa.end(); });
}

/// Tables that rows are looked up in, never multiplied by.
bool is_lookup_table(std::string_view name) {
  constexpr std::string_view tables[] = {"token_embd.weight", "per_layer_token_embd.weight",
                                         "position_embd.weight", "token_types.weight"};
  return std::find(std::begin(tables), std::end(tables), name) != std::end(tables);
}

bool is_matrix(const Tensor& tensor, bool experts) {
  if (tensor.rank() == 2) return true;
  return experts && tensor.rank() == 3 && tensor.name.find("_exps") != std::string::npos;
}

/// Size of the copy that `unit` would make; nothing where it leaves the tensor alone.
std::optional<Bytes> copy_size(const VectorUnit& unit, const Tensor& tensor) {
  const auto* layout =
      std::find_if(unit.begin, unit.end, [&](const Layout& l) { return l.type == tensor.type.name(); });
  if (layout == unit.end || !is_matrix(tensor, unit.experts)) return std::nullopt;
  if (tensor.dimensions[1] % layout->rows != 0 || tensor.dimensions[0] % unit.row_multiple != 0)
    return std::nullopt;
  const auto blocks = tensor.elements() / tensor.type.layout().elements;
  return align_up(tensor.size() + Bytes(layout->extra_per_block) * blocks, buffer_alignment);
}

}  // namespace

Repacking repacking(const Model& model, const std::vector<std::string>& isa) {
  Repacking result;
  std::vector<const VectorUnit*> present;
  for (const auto& unit : vector_units())
    if (has_all(isa, unit.flags)) present.push_back(&unit);
  const bool drops_layers = model.hyperparameters.next_token_layer_count() > 0;
  const bool tied = model.find_tensor("output.weight") == nullptr;

  result.replaced.assign(model.tensors.size(), false);
  for (std::size_t index = 0; index < model.tensors.size(); ++index) {
    const auto& tensor = model.tensors[index];
    const bool as_output = tied && tensor.name == "token_embd.weight";
    if (is_lookup_table(tensor.name) && !as_output) continue;
    if (drops_layers && copies_in_engine(model, tensor) == 0) continue;
    for (const auto* unit : present) {
      const auto size = copy_size(*unit, tensor);
      if (!size) continue;
      result.copies += *size;
      if (!as_output) result.originals += buffer_size(tensor);
      result.replaced[index] = !as_output;
      result.output_copied = result.output_copied || as_output;
      if (result.unit.empty()) result.unit = std::string(unit->name);
      break;
    }
  }
  return result;
}

}  // namespace llmsize
