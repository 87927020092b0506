#include "llmsize/app/fit_search.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <set>

#include <fmt/format.h>

#include "llmsize/app/estimate_report.hpp"
#include "llmsize/app/placed_speed.hpp"
#include "llmsize/app/speed.hpp"
#include "llmsize/catalog/models.hpp"

namespace llmsize::app {
namespace {

/// Tensors may be stored once where the catalog counts them twice; a bound must not be above the truth.
constexpr double bound_slack = 0.9;
/// The same for what a token reads: the catalog counts embeddings, of which it reads one row.
constexpr double read_slack = 0.6;
constexpr double bits_per_byte = 8;

/// A model at a quant, waiting for its turn.
struct Waiting {
  std::size_t candidate = 0;
  std::size_t quant = 0;
  FitRank rank;
  /// Set once everything but scratch is known to fit.
  std::shared_ptr<const LoadedModel> loaded;
};

struct Later {
  bool operator()(const Waiting& a, const Waiting& b) const {
    if (ranks_before(a.rank, b.rank)) return false;
    if (ranks_before(b.rank, a.rank)) return true;
    // Candidates are in id order.
    return a.candidate != b.candidate ? a.candidate > b.candidate : a.quant > b.quant;
  }
};

/// What a token reads of a model at least, in weights or bytes.
struct LeastReads {
  double all = 0;    ///< Everything that some token reads.
  double token = 0;  ///< What one token reads.
  double share = 0;  ///< The least part of any weight that is: of experts those used.
};

/// Decoding speeds that a machine cannot exceed, whatever the placement.
struct SpeedBound {
  double lowest_speed = 0;  ///< Asked for; 0: none.
  double host_rate = 0;     ///< Bytes per second; 0 where nothing is known.
  double device_rate = 0;   ///< The same of the fastest device.
  double device_room = 0;   ///< Bytes of all devices.

  [[nodiscard]] bool nothing_known() const { return host_rate <= 0 && device_rate <= 0; }

  /// Whether bytes read like that leave any hope: what finds no room on devices is read by the host.
  [[nodiscard]] bool allows(const LeastReads& bytes) const {
    if (lowest_speed <= 0) return true;
    const double on_host = std::max(0.0, bytes.all - device_room) * bytes.share;
    const double fastest = std::max(host_rate, device_rate);
    if (fastest <= 0 || (on_host > 0 && host_rate <= 0)) return false;
    const double seconds =
        std::max(0.0, bytes.token - on_host) / fastest + (on_host > 0 ? on_host / host_rate : 0);
    return seconds * lowest_speed <= 1;
  }
};

/// Bytes per second of a device that has nothing else to do, for the kind of model that suits it better.
double highest_rate(const DecodeShare& idle) {
  constexpr std::int64_t bytes = 1'000'000'000;
  double highest = 0;
  for (const bool experts : {false, true}) {
    DecodeShare share = idle;
    share.cost.weights = Bytes(bytes);
    share.cost.has_experts = experts;
    const auto speed = decode_speed({share});
    highest = std::max(highest, speed ? speed->mid.per_second() * static_cast<double>(bytes) : 0);
  }
  return highest;
}

SpeedBound speed_bound(const Services& services, const Host& host, const SpeedRequest& request) {
  const auto& constants = *request.constants;
  SpeedBound bound;
  bound.host_rate =
      highest_rate({cpu_device(host, request, memory_bandwidth(services, host, request), constants.cpu), {}});
  for (std::size_t i = 0; i < request.specs.size(); ++i)
    if (const auto device = gpu_device(i, request, constants); device.constants != nullptr)
      bound.device_rate = std::max(bound.device_rate, highest_rate({device, {}}));
  return bound;
}

class Search {
 public:
  Search(const Services& services, const Host& host, const FitOptions& options,
         const std::vector<FitCandidate>& candidates, std::vector<FitQuant> quants)
      : services_(services),
        host_(host),
        options_(options),
        candidates_(candidates),
        quants_(std::move(quants)),
        architectures_(services.catalog) {}

  Result<void> run(std::size_t most, FitReport& report) {
    if (auto ready = prepare(); !ready) return ready;
    find(Fit::resident, most, report);
    // A model that pages is better than none, but never better than one that does not.
    const bool paging = options_.estimate.requirement.value_or(Requirement::runs) == Requirement::runs;
    if (paging && (report.rows.empty() || options_.all)) find(Fit::pages_from_disk, most, report);
    report.speeds_unknown = options_.lowest_speed && speed_bound_.nothing_known();
    for (const auto& [model, why] : unsized_)
      report.notes.push_back(fmt::format("{} is left out: {}", model, why));
    return {};
  }

 private:
  using Queue = std::priority_queue<Waiting, std::vector<Waiting>, Later>;

  Result<void> prepare() {
    prepared_ = options_.estimate;
    std::vector<std::string> notes;
    if (auto filled = fill_from_host(services_, host_, prepared_, notes); !filled) return filled;
    budget_ = host_budget(options_.estimate, host_);
    room_ = budget_.value_or(Bytes(0));
    for (const auto& device : prepared_.sizing.offload.devices) {
      if (!device.capacity.known())
        return fail(ErrorCode::usage, device.name + ": its memory is unknown", "Name it with --gpu SIZE.");
      const Bytes kept = prepared_.sizing.offload.gpu_layers == fitting_gpu_layers
                             ? prepared_.sizing.offload.fit_margin
                             : Bytes(0);
      if (!device.unified) room_ += std::max(Bytes(0), *device.capacity.value - kept);
    }
    if (options_.lowest_speed) bound_speed();
    if (!budget_.known())
      return fail(ErrorCode::usage, "what fits needs a budget, and this host's is unknown",
                  "Give --ram or --host.");
    return {};
  }

  /// Weights alone, by the index.
  [[nodiscard]] Bytes least_weights(const FitCandidate& candidate, const FitQuant& quant) const {
    return Bytes(static_cast<std::int64_t>(static_cast<double>(candidate.total.value()) * quant.lowest_bits /
                                           bits_per_byte * bound_slack));
  }

  /// A machine that only --ram describes has no known bandwidth unless --bandwidth says it.
  [[nodiscard]] const Host& speed_host() const { return options_.estimate.ram ? nobody_ : host_; }

  void bound_speed() {
    speed_bound_ = speed_bound(services_, speed_host(), prepared_.speed);
    speed_bound_.lowest_speed = *options_.lowest_speed;
    for (const auto& device : prepared_.sizing.offload.devices)
      speed_bound_.device_room +=
          static_cast<double>((device.unified ? budget_.value_or(Bytes(0)) : *device.capacity.value).value());
  }

  /// Whether what a token reads leaves any hope of the speed asked for, before the model is loaded.
  [[nodiscard]] bool may_be_fast(const FitCandidate& candidate, const FitQuant& quant) const {
    if (prepared_.speed.experts_used) return true;
    const auto read = static_cast<double>(candidate.active.value_or(candidate.total).value()) * read_slack;
    return speed_bound_.allows({0, read * quant.lowest_bits / bits_per_byte, 0});
  }

  [[nodiscard]] bool may_be_fast(const LeastReads& weights, const FitQuant& quant) const {
    const double bytes = quant.lowest_bits / bits_per_byte;
    return speed_bound_.allows({weights.all * bytes, weights.token * bytes, weights.share});
  }

  [[nodiscard]] LeastReads weights_read(const Model& model) const {
    LeastReads reads{0, 0, 1};
    if (!options_.lowest_speed) return reads;
    const auto parts = read_parts(model, prepared_.speed.experts_used);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] <= 0) continue;
      const auto elements = static_cast<double>(model.tensors[i].elements());
      reads.all += elements;
      reads.token += parts[i] * elements;
      reads.share = std::min(reads.share, parts[i]);
    }
    return reads;
  }

  /// The same by what each device would hold of it: scratch can only move work to the slower host.
  [[nodiscard]] bool is_fast(const LoadedModel& loaded, const Run& run, const Footprint& bytes) const {
    if (!options_.lowest_speed) return true;
    const auto layout = context_layout(loaded.model, loaded.architecture, run);
    if (!layout) return true;
    const auto speed = estimate_speed(services_, loaded.model, *layout, run, speed_host(), prepared_.speed,
                                      std::nullopt, &bytes);
    return speed && speed->decode && speed->decode->mid.per_second() >= *options_.lowest_speed;
  }

  /// What a server may keep of prompts counts in every verdict.
  [[nodiscard]] Bytes prompt_cache() const {
    return prepared_.sizing.run.tool == Tool::server ? prepared_.sizing.residency.prompt_cache_cap : Bytes(0);
  }

  /// Whether the weights leave any hope, before the model is loaded. Those that page need no room.
  [[nodiscard]] bool may_fit(Fit fit, std::size_t candidate, std::size_t quant) const {
    const Bytes weights =
        fit == Fit::pages_from_disk ? Bytes(0) : least_weights(candidates_[candidate], quants_[quant]);
    return weights + prompt_cache() < room_;
  }

  /// Whether its weights at a file type leave any hope, now that its tensors are known.
  [[nodiscard]] bool may_fit(Fit fit, const Model& model, const FitQuant& quant) const {
    if (fit == Fit::pages_from_disk) return true;
    // Layers for next-token prediction are not loaded.
    const int layers = model.hyperparameters.main_layer_count();
    double elements = 0;
    for (const auto& tensor : model.tensors)
      if (layer_of(tensor.name) < layers) elements += static_cast<double>(tensor.elements());
    const Bytes least(static_cast<std::int64_t>(elements * quant.lowest_bits / bits_per_byte));
    return least + prompt_cache() < room_;
  }

  /// Whether everything but scratch leaves any hope.
  bool may_fit(Fit fit, const LoadedModel& loaded) {
    const auto run = resolve_run(prepared_.sizing.run, loaded.model, loaded.architecture);
    if (!run) return false;
    const Scratch nothing;
    const auto bytes = footprint(loaded.model, loaded.architecture, *run, prepared_.sizing.residency,
                                 prepared_.sizing.offload, &nothing);
    if (!bytes) return false;
    const Fit best = judge(*bytes, budget_, "").fit;
    if (best == Fit::unknown)
      unsized_[loaded.model.id] = bytes->notes.empty() ? "its caches are unknown" : bytes->notes.front();
    // Scratch may make a model page that would not without.
    return best <= fit && is_fast(loaded, *run, *bytes);
  }

  /// Puts the candidate's best quant from `first` on that may fit into the queue.
  void wait(Fit fit, std::size_t candidate, std::size_t first, Queue& queue) {
    for (std::size_t quant = first; quant < quants_.size(); ++quant) {
      if (!may_fit(fit, candidate, quant) || !may_be_fast(candidates_[candidate], quants_[quant])) continue;
      queue.push(
          {candidate, quant, rank_of(candidates_[candidate], quants_[quant].loss, options_.order), nullptr});
      return;
    }
  }

  SizingRequest request_for(const Waiting& next) const {
    SizingRequest request = prepared_.sizing;
    request.model = candidates_[next.candidate].model;
    request.quant = quants_[next.quant].id;
    request.loaded = next.loaded;
    return request;
  }

  Result<FoundModel> find_in_catalog(const std::string& id) {
    const auto entry = services_.catalog.find("model", id);
    if (!entry) return fail(ErrorCode::not_found, "it is not in the catalog any more");
    auto model = catalog::load_model(services_.catalog, *entry, architectures_);
    if (!model) return tl::unexpected(model.error());
    const auto& architecture = architectures_.load(model->architecture);
    if (!architecture) return tl::unexpected(architecture.error());
    return FoundModel{std::move(*model), *architecture, {}};
  }

  /// Loads the candidate once and lets its best quant from the waiting one on, of which everything but
  /// scratch fits, wait for its exact size.
  void bound(Fit fit, Waiting next, Queue& queue) {
    const FitCandidate& candidate = candidates_[next.candidate];
    const auto found = find_in_catalog(candidate.model);
    if (!found) {
      unsized_[candidate.model] = found.error().message;
      return;
    }
    const LeastReads read = weights_read(found->model);
    for (; next.quant < quants_.size(); ++next.quant) {
      const auto& quant = quants_[next.quant];
      if (!may_fit(fit, found->model, quant) || !may_be_fast(read, quant)) continue;
      const auto request = request_for(next);
      FoundModel copy = *found;
      copy.quant = request.quant;
      auto loaded = load_for_sizing(services_, request, std::move(copy));
      if (!loaded) {
        unsized_[candidate.model] = loaded.error().message;
        continue;
      }
      if (!may_fit(fit, *loaded)) continue;
      next.loaded = std::make_shared<const LoadedModel>(std::move(*loaded));
      next.rank = rank_of(candidate, quants_[next.quant].loss, options_.order);
      queue.push(std::move(next));
      return;
    }
  }

  void find(Fit fit, std::size_t most, FitReport& report) {
    Queue queue;
    for (std::size_t i = 0; i < candidates_.size(); ++i)
      if (!taken_.contains(i)) wait(fit, i, fit == Fit::pages_from_disk ? quants_.size() - 1 : 0, queue);
    while (!queue.empty()) {
      if (report.rows.size() >= most) {
        report.more = true;
        return;
      }
      Waiting next = queue.top();
      queue.pop();
      if (!next.loaded) {
        bound(fit, std::move(next), queue);
        continue;
      }
      const FitCandidate& candidate = candidates_[next.candidate];
      std::string why;
      auto row = fit_row(services_, host_, options_, request_for(next), why);
      if (!why.empty()) unsized_[candidate.model] = why;
      if (!row || row->estimate.verdict.fit != fit) {
        wait(fit, next.candidate, next.quant + 1, queue);
        continue;
      }
      row->family = candidate.family;
      row->license = candidate.license;
      row->released = candidate.released;
      row->score = candidate.score;
      row->rank = next.rank;
      taken_.insert(next.candidate);
      report.rows.push_back(std::move(*row));
    }
  }

  const Services& services_;
  const Host& host_;
  const FitOptions& options_;
  const std::vector<FitCandidate>& candidates_;
  std::vector<FitQuant> quants_;
  catalog::ArchitectureLoader architectures_;
  EstimateOptions prepared_;
  Fact<Bytes> budget_;
  Bytes room_;         ///< The host's and all devices'.
  const Host nobody_;  ///< Of which nothing is known.
  SpeedBound speed_bound_;
  std::set<std::size_t> taken_;
  std::map<std::string, std::string> unsized_;  ///< Why, by model.
};

}  // namespace

std::optional<FitRow> fit_row(const Services& services, const Host& host, const FitOptions& options,
                              const SizingRequest& request, std::string& why) {
  EstimateOptions asked = options.estimate;
  asked.sizing = request;
  auto sized = judged_report(services, host, asked);
  if (!sized) {
    why = sized.error().message;
    return std::nullopt;
  }
  const Fit fit = sized->report.verdict.fit;
  if (!sized->sizing || fit == Fit::unknown || !is_met(asked.requirement, fit)) return std::nullopt;
  const auto& sizing = *sized->sizing;
  if (auto filled = fill_speed(services, sizing.model, sizing.context, asked.ram ? Host{} : host, asked.speed,
                               sized->report);
      !filled) {
    why = filled.error().message;
    return std::nullopt;
  }
  const auto& decode = sized->report.decode_speed;
  if (options.lowest_speed && (!decode || decode->mid.per_second() < *options.lowest_speed))
    return std::nullopt;
  FitRow row;
  row.estimate = std::move(sized->report);
  return row;
}

Result<void> search_fit(const Services& services, const Host& host, const FitOptions& options,
                        const std::vector<FitCandidate>& candidates, std::size_t most, FitReport& report) {
  auto quants = fit_quants(services, options);
  if (!quants) return tl::unexpected(quants.error());
  return Search(services, host, options, candidates, std::move(*quants)).run(most, report);
}

}  // namespace llmsize::app
