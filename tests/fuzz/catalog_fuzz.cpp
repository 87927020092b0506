// A user's catalog folder with one hostile file: every entry is either used or named with its fault.
#include <cstddef>
#include <cstdint>
#include <string>

#include "llmsize/app/catalog_kinds.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/io/local_files.hpp"
#include "llmsize/io/process.hpp"
#include "support/memory_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llmsize;
  test::MemoryFiles files;
  files.add("/catalog/hostile.json", std::string(data, data + size));
  auto catalog = catalog::Catalog::embedded();
  catalog.add_layer(files, "/catalog");
  const auto types = catalog::load_tensor_types(catalog);
  if (!types) return 0;
  const io::LocalWriter writer;
  const io::ProcessEnvironment environment;
  const app::Services services{files, writer, environment, catalog, *types};
  for (const auto& kind : app::catalog_kinds())
    for (const auto& entry : catalog.list(kind.name))
      if (entry.location.layer != "embedded") static_cast<void>(kind.check(services, entry));
  return 0;
}
