// Any bytes as a GGUF file: an error or a model whose sizes can be computed, never a crash or a hang.
#include <cstddef>
#include <cstdint>
#include <string>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/catalog/vocabularies.hpp"
#include "llmsize/core/projector.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/weights.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/memory_files.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;

namespace {

struct World {
  catalog::Catalog catalogs = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalogs);
  FileType file_type = *catalog::load_file_type(catalogs, types, "Q4_K_M");
};

void size(const Result<Model>& model, const World& world) {
  if (!model) return;
  const auto sizes = weight_sizes(*model);
  if (sizes.cpu_buffer < sizes.tensors || engine_weights_size(*model) < Bytes()) __builtin_trap();
  const auto projector = projector_size(*model, cuda_buffer_rule, false);
  if (projector.low > projector.size || projector.size > projector.high) __builtin_trap();
  static_cast<void>(catalog::file_size(world.catalogs, *model));
  static_cast<void>(quantized_types(*model, world.file_type, world.types));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  static const World world;
  const std::string bytes(data, data + length);
  size(read_gguf(test::MemoryFiles{{"m.gguf", bytes}}, "m.gguf", world.types), world);
  // The same header in a file large enough for whatever data it claims.
  constexpr std::int64_t tebibyte = std::int64_t{1} << 40;
  size(read_gguf(test::SparseFiles(bytes, Bytes(tebibyte)), "m.gguf", world.types), world);
  return 0;
}
