#pragma once
#include "llmsize/app/services.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/io/local_files.hpp"
#include "llmsize/io/process.hpp"

namespace llmsize::bench {

/// The embedded catalogs and the local machine's files, for commands to run on.
struct World {
  io::LocalFiles files;
  io::LocalWriter writer;
  io::ProcessEnvironment environment;
  catalog::Catalog catalog = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalog);
  app::Services services{files, writer, environment, catalog, types};
};

}  // namespace llmsize::bench
