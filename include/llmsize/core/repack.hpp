#pragma once
#include <string>
#include <vector>

#include "llmsize/core/model.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// Which of a model's weights the engine keeps in another layout for the processor's vector unit.
struct Repacking {
  Bytes copies;                ///< Size of the copies.
  Bytes originals;             ///< Size of the weights they replace; a tied output replaces none.
  std::vector<bool> replaced;  ///< For each of the model's tensors: only the copy is used.
  bool output_copied = false;  ///< A tied output: rows are looked up in place, the copy is multiplied with.
  std::string unit;            ///< "AVX2", "AMX" …; empty where nothing is repacked.
};

/// Applies the engine's rules for the instruction sets `isa` (the kernel's flag names). Sources: llama.cpp
/// v0.5.0, ggml-cpu/repack and ggml-cpu/amx; docs/METHOD.md, "Totals and verdicts".
Repacking repacking(const Model& model, const std::vector<std::string>& isa);

}  // namespace llmsize
