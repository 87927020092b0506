#pragma once
#include <string>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/fact.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

struct Architecture;
struct Model;

/// How weights come into memory: llama-server's --load-mode.
enum class LoadMode { mmap, none, mlock };

/// What decides which bytes are anonymous and which are backed by the file.
struct Residency {
  LoadMode load_mode = LoadMode::mmap;
  bool repack = true;            ///< --repack, the engine's default.
  std::vector<std::string> isa;  ///< Instruction sets that decide what is repacked; kernel flag names.
  Bytes prompt_cache_cap = mebibytes(8192);  ///< --cache-ram; 0 for tools without one.
};

/// An estimate with its honest spread. Exact where low == high.
struct SizedPart {
  Bytes size;
  Bytes low, high;
  Basis basis = Basis::derived;
  std::string source;
  bool known = true;  ///< False: nobody can say, and the figures above mean nothing.
};

/// What a model costs on one host, by part. Sums follow docs/METHOD.md, "Totals".
struct Footprint {
  SizedPart weights;   ///< The engine's buffers, without repacked copies.
  SizedPart repacked;  ///< Copies in another layout.
  SizedPart kv_cache;
  SizedPart kv_active;  ///< Part of kv_cache that the active tokens occupy; not added again.
  SizedPart state;
  SizedPart compute;
  SizedPart output;
  SizedPart prompt_cache;  ///< At its cap in high, 0 in low.
  SizedPart adapters;
  SizedPart projector;
  SizedPart draft;
  SizedPart runtime;  ///< Vocabulary, graph metadata and other leftovers of the process.
  Scratch scratch;    ///< `compute` by named part.

  Bytes anonymous;      ///< Cannot be dropped by the system; the prompt cache, which grows, is not in it.
  Bytes file_backed;    ///< Mapped from the file: reclaimable unless locked.
  Bytes total;          ///< anonymous + file_backed.
  Bytes low, high;      ///< Without and with a full prompt cache, and with every part at its low and high.
  bool locked = false;  ///< --load-mode mlock: what is mapped cannot be dropped either.
  std::vector<std::string> notes;
};

/// Sizes `model` (with its final types) for `run` on one CPU host. `known_scratch`, where given, is what the
/// same model and run had at other tensor types: scratch does not depend on them, and is the costliest part
/// to compute.
Result<Footprint> footprint(const Model& model, const Architecture& architecture, const Run& run,
                            const Residency& residency, const Scratch* known_scratch = nullptr);

/// What becomes of a footprint under a budget.
enum class Fit { resident, pages_from_disk, cannot, unknown };
const char* fit_name(Fit fit);

struct Verdict {
  Fit fit = Fit::unknown;
  std::string
      bound_by;  ///< The limit that decided, for example "--ram" or "cgroup memory.max (/sys/fs/cgroup/…)".
  Fact<Bytes> budget;
  Bytes headroom;                     ///< budget - need; negative where it does not fit.
  bool prompt_cache_decides = false;  ///< With --cache-ram 0 the answer would be a better one.
};

/// resident: anonymous and file-backed fit; pages_from_disk: anonymous fits; cannot: it does not. The need is
/// `high`: every part at its high and the prompt cache at its cap.
Verdict judge(const Footprint& footprint, const Fact<Bytes>& budget, const std::string& bound_by);

/// What a model that pages from disk reads for each token.
struct PagingPerToken {
  Bytes low;   ///< Everything that fits stays in memory between tokens.
  Bytes high;  ///< Nothing does: pages are dropped in the order they are read.
};
/// `read_per_token` are the weights that one token touches (the active experts' share). Both bounds are 0
/// where all of the file stays in memory.
PagingPerToken paging_per_token(const Footprint& footprint, Bytes budget, Bytes read_per_token);

}  // namespace llmsize
