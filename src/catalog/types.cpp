#include "llmsize/catalog/types.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {

Result<TypeTable> load_tensor_types(const Catalog& catalog) {
  std::vector<TensorType> types;
  for (const auto& reference : catalog.list("tensor_type")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    const auto positive = [&](const char* key) {
      const auto found = entry->find(key);
      return found != entry->end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
    };
    const std::int64_t number = positive("number"), elements = positive("block_elements"),
                       bytes = positive("block_bytes");
    if (number < 0 || number > 10'000 || elements < 1 || elements > 65'536 || bytes < 1 || bytes > 65'536)
      return fail(ErrorCode::malformed,
                  fmt::format("{}: \"number\", \"block_elements\" and \"block_bytes\" must be whole numbers "
                              "from 0 or 1 to 65536",
                              reference.location.describe()),
                  "Run llmsize catalog validate.");
    types.emplace_back(static_cast<int>(number), reference.id, BlockLayout{elements, bytes});
  }
  return TypeTable(std::move(types));
}

}  // namespace llmsize::catalog
