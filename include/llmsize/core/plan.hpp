#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/guide.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

// Which models fill which roles under one budget (docs/METHOD.md, "The plan").

/// One option of llama-server by its long name, "--ctx-size"; switches have no value.
struct EngineSetting {
  std::string flag;
  std::string value;
};

/// Where memory comes from: a NUMA node, all RAM, a GPU.
struct PlanPool {
  std::string id;
  std::string kind;  ///< "ram", "numa_node", "gpu".
  Bytes capacity;    ///< What the tightest limit leaves.
  Bytes os_reserve;
  Bytes safety;
  std::int64_t count = 1;                       ///< Identical memories of this size each; of the host: 1.
  std::int64_t first_device = 0;                ///< Number of the first GPU on the machine.
  std::string label = {};                       ///< "NVIDIA GeForce RTX 4090".
  std::string backend = {};                     ///< The engine's backend for it; empty: unknown.
  std::optional<int> numa_node = std::nullopt;  ///< Of a pool that is one node.
  std::vector<int> cpus = {};                   ///< That node's processors.
  [[nodiscard]] Bytes budget() const { return capacity - os_reserve - safety; }
};

/// Which layers of an instance are on its GPUs: llama-server's --gpu-layers and --n-cpu-moe.
struct PlanOffload {
  std::int64_t gpu_layers = 0;
  std::int64_t cpu_expert_layers = 0;
};

/// HOT is always resident; WARM is loaded on demand, one of its group at a time; COLD stays on disk.
enum class PlanTier { hot, warm, cold };
const char* plan_tier_name(PlanTier tier);

/// One way to run one model in one pool: what an instance of it would cost.
struct PlanVariant {
  std::string id;  ///< Unique; breaks ties.
  std::string model;
  std::string quant;
  std::size_t pool = 0;
  std::int64_t devices = 1;          ///< Memories of the pool that layers are split over.
  std::int64_t context_tokens = 0;   ///< Of each role it serves.
  std::int64_t trained_context = 0;  ///< Tokens; 0: unknown.
  std::int64_t parallel = 1;         ///< Slots of each role it serves.
  std::string cache_type_k = "f16";
  std::string cache_type_v = "f16";
  std::string architecture;
  std::int64_t batch_tokens = 2048;
  std::int64_t ubatch_tokens = 512;
  bool flash_attention = true;
  LoadMode load_mode = LoadMode::mmap;
  std::vector<PlanOffload> offload_by_roles;  ///< Of GPU variants, beside `memory_by_roles`.
  Bytes weights;
  Bytes projector;    ///< Inside the memory below; 0 for a server that takes no images.
  Bytes kv_per_role;  ///< KV cache and state that each role served adds.
  /// Memory of one instance serving 1, 2, … roles at once, in each memory of its pool that it uses. Grows by
  /// no more per role than it starts with.
  std::vector<Bytes> memory_by_roles;
  std::vector<Bytes> host_by_roles;  ///< The same in the host's memory, for variants of other pools.
  /// File whose mapped pages instances in one pool share; empty: none do. A role has at most one variant of a
  /// file in a pool.
  std::string shared_file;
  Bytes shared_bytes;  ///< Those pages, inside `memory_by_roles`.
  std::optional<double> load_seconds;
  std::optional<double> decode_tokens_per_second;
};

/// A variant that may serve a role, and how well.
struct PlanOption {
  std::size_t variant = 0;
  double quality = 0;  ///< 0 to 1, comparable within the role.
  /// What the objective counts instead of quality, where speed matters, too.
  std::optional<double> worth = std::nullopt;
};

/// A role to be filled. Roles are listed by falling priority.
struct PlanRole {
  std::string id;
  int priority = 0;   ///< 1 is served first.
  double weight = 1;  ///< Of its quality in the objective.
  bool required = false;
  PlanTier preference = PlanTier::hot;
  bool cloud = false;               ///< Served by an API: costs no local memory.
  bool vision = false;              ///< Sees images, so its server loads a projector.
  std::string draft_for;            ///< The role whose model this one drafts for; usually empty.
  std::string unavailable_because;  ///< Why there are no options, where there are none.
  std::vector<PlanOption> options;
};

/// Worths are summed in these units, so that sums are exact and do not depend on their order.
inline constexpr double worth_units = 1e9;
/// What the objective counts for `role` served by `option`, in billionths.
std::int64_t worth_of(const PlanRole& role, const PlanOption& option);

struct PlanRequest {
  std::vector<PlanPool> pools;  ///< The first is the host's memory.
  std::vector<PlanVariant> variants;
  std::vector<PlanRole> roles;
};

enum class RoleStatus { placed, shared, cloud, mock, dropped };
const char* role_status_name(RoleStatus status);

struct RolePlacement {
  std::string role;
  int priority = 0;
  bool required = false;
  RoleStatus status = RoleStatus::dropped;
  PlanTier tier = PlanTier::cold;
  std::optional<std::size_t> instance;  ///< Into Plan::instances.
  double quality = 0;
  std::string reason;
};

struct PlanInstance {
  std::string id;
  std::size_t variant = 0;
  PlanTier tier = PlanTier::hot;
  std::vector<std::string> roles;
  std::size_t group = 0;  ///< Into Plan::groups.
  Bytes in_group;         ///< In each memory of its group.
  Bytes on_host;          ///< In the host's memory beside that.
  Bytes memory;           ///< All together.
};

/// Memories that work as one: the host's, a GPU, or several that layers are split over.
struct PlanGroup {
  std::string id;        ///< "ram", "gpu0", "gpu2+gpu3".
  std::size_t pool = 0;  ///< Into PlanRequest::pools.
  std::int64_t first_device = 0;
  std::int64_t devices = 1;
};

/// Of each memory of a group. On the host both sums have the host parts of GPU instances in them.
struct PoolUse {
  Bytes hot;
  Bytes warm_peak;  ///< The largest instance of the exclusive WARM group.
  Bytes headroom;   ///< Budget - hot - warm_peak.
  Bytes shared;     ///< Counted once instead of several times: pages of files that several servers map.
  Bytes host_hot, host_warm;  ///< What the group's instances take of the host's memory.
};

/// What goes first when the budget shrinks.
struct LadderStep {
  double share = 1;  ///< Of every pool's budget.
  Bytes budget;
  std::vector<std::string> served;
  std::vector<std::string> dropped;
  std::vector<std::string> changed;  ///< "frontdoor: model Q6_K -> model Q4_K_M".
};

/// The least extra memory that serves one more role.
struct NextStep {
  std::string role;
  Bytes extra;
};

/// The least growth of the host's memory that serves the same roles better.
struct NextGain {
  Bytes extra;
  std::vector<std::string> changed;  ///< "frontdoor: model Q8_0".
};

struct PlanObjective {
  double value = 0;  ///< Weighted quality of the roles served.
  double bound = 0;  ///< No placement of the same roles can exceed this.
  [[nodiscard]] double gap() const { return bound - value; }
};

struct Plan {
  std::vector<RolePlacement> roles;  ///< In the request's order.
  std::vector<PlanInstance> instances;
  std::vector<PlanGroup> groups;  ///< The host's first.
  std::vector<PoolUse> pools;     ///< By group.
  PlanObjective objective;
  std::vector<LadderStep> ladder;
  std::optional<NextStep> next_step;
  std::optional<NextGain> next_gain;  ///< Where every role is served, in the host's memory alone.
};

/// More roles than this at once are refused: the search visits every subset of them, and its memory grows
/// with those (docs/PERFORMANCE.md).
inline constexpr std::size_t most_plan_roles = 10;

/// The best placement: roles served in priority order first, then the highest weighted quality, then the
/// least memory, then WARM roles promoted to HOT by priority; ties broken by variant id. Exact: the bound
/// equals the value. Per pool, HOT instances plus the largest WARM one stay within the pool's budget.
/// Errors: usage for more than `most_plan_roles` roles or options that name no variant.
Result<Plan> solve(const PlanRequest& request);

/// Whether `a` serves the roles of `b`, or more important ones, at no less value.
bool is_at_least_as_good(const Plan& a, const Plan& b);

/// Adds the degradation ladder at 90, 75 and 50 % of the budget and the next step up to a solved plan: one
/// more role, or else what a quarter more memory may do better.
void add_ladder(const PlanRequest& request, Plan& plan);

}  // namespace llmsize
