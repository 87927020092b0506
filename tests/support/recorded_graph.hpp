#pragma once
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "llmsize/core/graph_allocator.hpp"

namespace llmsize::test {

/// A graph that the reference engine built, read from the text form described in the shared material's
/// scratch notes.
struct RecordedGraph {
  TensorGraph graph;
  std::int64_t reserved = 0;      ///< What the engine reserved for it.
  std::deque<std::string> names;  ///< Storage of the tensors' names.
};

/// Reads one recorded graph; throws std::runtime_error on text that is none.
RecordedGraph read_recorded_graph(const std::string& text);

/// Unpacks the recorded graphs below LLMSIZE_SHARED once per process; empty where the variable is not set.
/// Keys are the files' names without ".txt": "llama-dense.1".
const std::vector<std::filesystem::path>& recorded_graph_files();
std::string read_text(const std::filesystem::path& path);

}  // namespace llmsize::test
