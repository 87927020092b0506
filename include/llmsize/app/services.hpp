#pragma once
#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/tensor.hpp"
#include "llmsize/ports/benchmarks.hpp"
#include "llmsize/ports/command_runner.hpp"
#include "llmsize/ports/environment.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/file_writer.hpp"
#include "llmsize/ports/http_client.hpp"
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::app {

/// What every command may use of the outside world, plus the catalogs. Built by the command line (or a test).
struct Services {
  const FileReader& files;
  const FileWriter& writer;
  const Environment& environment;
  const catalog::Catalog& catalog;
  const TypeTable& types;
  const SystemCalls* system = nullptr;      ///< Null in tests that own their world.
  const Benchmarks* benchmarks = nullptr;   ///< The same.
  const CommandRunner* commands = nullptr;  ///< The same.
  const HttpClient* http = nullptr;         ///< The same.
};

}  // namespace llmsize::app
