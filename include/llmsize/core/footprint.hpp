#pragma once
#include <string>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/fact.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/placement.hpp"
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
  friend bool operator==(const Residency&, const Residency&) = default;
};

/// An estimate with its honest spread. Exact where low == high.
struct SizedPart {
  Bytes size;
  Bytes low, high;
  Basis basis = Basis::derived;
  std::string source;
  bool known = true;  ///< False: nobody can say, and the figures above mean nothing.
};

/// What one memory holds in the engine's buffers: the host's, or a device's.
struct DeviceMemory {
  std::string device;  ///< "CPU", "GPU0".
  std::string label;   ///< "NVIDIA GeForce RTX 4090"; empty for the host.
  Bytes weights;
  Bytes caches;
  Bytes states;
  SizedPart compute;
  SizedPart runtime;     ///< What the driver takes for a context; 0 on the host.
  SizedPart companions;  ///< Adapters, projector and draft model that lie here.
  Fact<Bytes> capacity;  ///< Of a device; the host is judged by its budget.
  bool unified = false;  ///< Lies in the host's memory: counted there.

  [[nodiscard]] Bytes size() const {
    return weights + caches + states + compute.size + runtime.size + companions.size;
  }
  [[nodiscard]] Bytes high() const {
    return weights + caches + states + compute.high + runtime.high + companions.high;
  }
  [[nodiscard]] Bytes low() const {
    return weights + caches + states + compute.low + runtime.low + companions.low;
  }
};

/// What a model costs, by part: sums over all devices. Sums follow docs/METHOD.md, "Totals": the parts that
/// are not said to be inside another add up to `total`, the prompt cache apart.
struct Footprint {
  SizedPart weights;   ///< The engine's buffers, without repacked copies.
  SizedPart repacked;  ///< Copies in another layout.
  /// What memory keeps of both, less their sum: negative where originals are not kept or one mapping serves
  /// two buffers, positive where the host also maps what lies on a device.
  SizedPart kept_difference;
  SizedPart kv_cache;
  SizedPart kv_active;  ///< Part of kv_cache that the active tokens occupy; not added again.
  SizedPart state;
  SizedPart compute;
  SizedPart output;
  SizedPart prompt_cache;  ///< At its cap in high, 0 in low.
  SizedPart adapters;
  SizedPart projector;
  SizedPart draft;
  SizedPart runtime;         ///< Vocabulary, graph metadata and other leftovers of the process.
  SizedPart device_runtime;  ///< What the devices' drivers take for their contexts.
  SizedPart orchestration;   ///< What runs around the engine, where the user says how much.
  SizedPart token_vectors;   ///< Input embeddings of a micro-batch: inside `compute`, not added again.
  SizedPart results;         ///< Numbers and text of the tokens: inside `runtime`, not added again.
  SizedPart load_staging;    ///< Held while loading only; in no sum.
  Scratch scratch;           ///< `compute` by named part.

  OffloadRequest offload;  ///< With the number of layers that was chosen; no devices: all on the host.
  Placement placement;     ///< Of `offload`; without devices it is empty.
  DeviceMemory host;
  Bytes pinned;                       ///< Part of `host` in memory that the driver of a device locked.
  std::vector<DeviceMemory> devices;  ///< As in `offload`.

  // Of the host, with all devices that share its memory:
  Bytes anonymous;    ///< Cannot be dropped by the system; the prompt cache, which grows, is not in it.
  Bytes file_backed;  ///< Mapped from the file: reclaimable unless locked.
  /// In memories of their own.
  Bytes elsewhere, elsewhere_high;
  Bytes total;          ///< anonymous + file_backed + elsewhere.
  Bytes low, high;      ///< Without and with a full prompt cache, and with every part at its low and high.
  bool locked = false;  ///< --load-mode mlock: what is mapped cannot be dropped either.
  std::vector<std::string> notes;

  /// What the host must have room for at most.
  [[nodiscard]] Bytes host_high() const { return high - elsewhere_high; }
};

/// Sizes `model` (with its final types) for `run` on one CPU host. `known_scratch`, where given, is what the
/// same model and run had at other tensor types: scratch does not depend on them, and is the costliest part
/// to compute.
Result<Footprint> footprint(const Model& model, const Architecture& architecture, const Run& run,
                            const Residency& residency, const Scratch* known_scratch = nullptr);

/// Sizes `model` for `run` with the layers that `offload` moves on its devices; `fitting_gpu_layers` becomes
/// as many as fit there. `known_scratch`, where given, stands for every device's: an empty one gives a bound
/// without building the run's graph. Errors: those of placing and of that graph.
Result<Footprint> footprint(const Model& model, const Architecture& architecture, const Run& run,
                            const Residency& residency, const OffloadRequest& offload,
                            const Scratch* known_scratch = nullptr);

/// A part that comes beside the model, on the host or on a device of `footprint`.
struct Companion {
  SizedPart Footprint::*part;
  SizedPart size;
  int device = Placement::host;
  bool mapped = false;  ///< On the host and backed by a file.
};
/// Adds it to its part, its place and all sums.
void add_companion(Footprint& footprint, const Companion& companion);

/// All checkpoints that the server may keep of windows and states, at their largest; they are in no part.
Bytes checkpoints_size(const ContextLayout& layout, const Run& run);

/// What a memory's budget must hold besides the weights, caches, states and scratch that it is listed with:
/// on the host the prompt cache at its cap, output, runtime and the like; everywhere each part at its high.
/// Of a device that shares the host's memory nothing is in the host's.
Bytes other_need(const DeviceMemory& device);
Bytes other_need_of_host(const Footprint& footprint);

/// What becomes of a footprint under a budget.
enum class Fit { resident, pages_from_disk, cannot, unknown };
const char* fit_name(Fit fit);

/// One memory under its own budget.
struct PlaceVerdict {
  std::string device;  ///< "CPU", "GPU0".
  Fact<Bytes> budget;
  Bytes need;
  Bytes headroom;  ///< budget - need; 0 where the budget is unknown.
};

struct Verdict {
  Fit fit = Fit::unknown;
  /// The limit that decided, for example "--ram", "cgroup memory.max (/sys/fs/cgroup/…)" or "GPU0".
  std::string bound_by;
  Fact<Bytes> budget;                 ///< Of the memory that decided.
  Bytes headroom;                     ///< budget - need there; negative where it does not fit.
  std::vector<PlaceVerdict> places;   ///< The host, then every device with a memory of its own.
  bool prompt_cache_decides = false;  ///< With --cache-ram 0 the answer would be a better one.
};

/// resident: anonymous and file-backed fit; pages_from_disk: anonymous fits; cannot: it does not, or a device
/// has too little. The need is `high`: every part at its high and the prompt cache at its cap. `budget` is
/// the host's; devices bring theirs.
Verdict judge(const Footprint& footprint, const Fact<Bytes>& budget, const std::string& bound_by);

}  // namespace llmsize
