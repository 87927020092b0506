#include "llmsize/app/plan_inputs.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "llmsize/catalog/model_names.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// A file of roles is a page of text.
constexpr Bytes longest_role_file = mebibytes(1);

/// The quants that each policy may choose, best first.
const std::vector<std::string>& quants_of(PlanPolicy policy) {
  static const std::vector<std::string> balanced = {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"};
  static const std::vector<std::string> quality = {"F16", "Q8_0", "Q6_K"};
  static const std::vector<std::string> speed = {"Q4_K_M", "Q3_K_M", "Q2_K"};
  switch (policy) {
    case PlanPolicy::quality:
      return quality;
    case PlanPolicy::speed:
      return speed;
    case PlanPolicy::balanced:
      break;
  }
  return balanced;
}

struct Pin {
  std::string model;
  std::string quant;  ///< Empty: any.
};

Result<std::map<std::string, Pin>> parse_pins(const Services& services, const PlanOptions& options,
                                              const std::vector<RoleDefinition>& roles) {
  std::map<std::string, Pin> pins;
  for (const auto& text : options.pins) {
    const auto equals = text.find('=');
    const std::string role = text.substr(0, equals);
    const bool known =
        std::any_of(roles.begin(), roles.end(), [&](const RoleDefinition& r) { return r.id == role; });
    if (equals == std::string::npos || !known)
      return fail(ErrorCode::usage, fmt::format("--pin {}: \"{}\" is no role of this plan", text, role),
                  "For example --pin frontdoor=qwen3-coder-30b-a3b-instruct:Q4_K_M.");
    Pin pin;
    const std::string wanted = text.substr(equals + 1);
    // An alias may hold a colon itself, so the whole is tried before its last part counts as a quant.
    if (const auto whole = catalog::find_model(services.catalog, wanted)) {
      pin.model = std::string(whole->entry.id);
      pin.quant = whole->file_type.value_or("");
    } else {
      const auto colon = wanted.rfind(':');
      const auto named = catalog::find_model(services.catalog, wanted.substr(0, colon));
      if (!named) return tl::unexpected(named.error());
      pin.model = std::string(named->entry.id);
      if (colon != std::string::npos) pin.quant = wanted.substr(colon + 1);
    }
    pins[role] = std::move(pin);
  }
  return pins;
}

/// An exclusion that names no model would silently exclude nothing.
Result<void> check_exclusions(const Services& services, const PlanOptions& options) {
  for (const auto& name : options.excluded)
    if (!services.catalog.find_by_name("model", name))
      return fail(ErrorCode::usage, fmt::format("--exclude {}: the catalog has no such model", name),
                  services.catalog.similar_hint("model", name));
  return {};
}

/// A setting for one role, such as -c ROLE=N, that names no role would silently do nothing.
Result<void> check_role_names(const PlanOptions& options, const std::vector<RoleDefinition>& roles) {
  for (const auto* settings : {&options.context_of, &options.parallel_of})
    for (const auto& setting : *settings)
      if (std::none_of(roles.begin(), roles.end(),
                       [&](const RoleDefinition& role) { return role.id == setting.first; }))
        return fail(ErrorCode::usage,
                    fmt::format("{}={}: \"{}\" is no role of this plan", setting.first, setting.second,
                                setting.first),
                    "llmsize plan lists the roles.");
  return {};
}

bool needs_vision(const RoleDefinition& role) {
  return std::find(role.needs.begin(), role.needs.end(), "vision") != role.needs.end();
}

/// Collects variants and options role by role.
class Assembly {
 public:
  Assembly(const Services& services, const Host& host, const PlanOptions& options, QuantLosses losses,
           const std::vector<DeviceGroup>& gpus, PlanSizer& sizer, PlanReport& report)
      : services_(services),
        host_(host),
        options_(options),
        losses_(std::move(losses)),
        gpus_(gpus),
        sizer_(sizer),
        report_(report) {}

  Result<void> add_roles(const std::vector<RoleDefinition>& roles, const std::map<std::string, Pin>& pins) {
    const auto pin_of = [&](const RoleDefinition& role) {
      const auto pin = pins.find(role.id);
      return pin == pins.end() ? nullptr : &pin->second;
    };
    for (const auto& role : roles) {
      if (is_left_out(role, pin_of(role))) continue;
      for (const auto& candidate : candidates_of(role, pin_of(role))) ++users_[key(role, candidate.model)];
    }
    for (const auto& role : roles)
      if (auto added = add_role(role, pin_of(role)); !added) return added;
    forget_lone_files();
    add_licence_notes();
    return {};
  }

 private:
  /// The guide runs no such role on so small a machine.
  [[nodiscard]] bool is_left_out(const RoleDefinition& role, const Pin* pin) const {
    return pin == nullptr && report_.budget.total < gibibytes(role.lowest_gib);
  }

  /// A flag for this role, then what its definition says, then a flag for every role.
  [[nodiscard]] RoleRun run_of(const RoleDefinition& role, const std::string& model) const {
    RoleRun run{0, role.parallel.value_or(options_.parallel.value_or(default_slots)), role.load_mode,
                needs_vision(role) && sizer_.has_projector(model)};
    if (const auto own = options_.context_of.find(role.id); own != options_.context_of.end())
      run.context_tokens = own->second;
    else if (role.context_tokens || options_.context_tokens)
      run.context_tokens = role.context_tokens ? *role.context_tokens : *options_.context_tokens;
    else
      // A model that cannot be read is refused where it is sized.
      run.context_tokens = sizer_.default_context(model).value_or(default_context);
    if (const auto own = options_.parallel_of.find(role.id); own != options_.parallel_of.end())
      run.parallel = own->second;
    return run;
  }

  static std::vector<RoleCandidate> candidates_of(const RoleDefinition& role, const Pin* pin) {
    if (pin == nullptr) return role.candidates;
    for (const auto& candidate : role.candidates)
      if (candidate.model == pin->model) return {candidate};
    RoleCandidate pinned;
    pinned.model = pin->model;
    pinned.capability = overridden(1.0, "--pin");
    return {pinned};
  }

  [[nodiscard]] std::string key(const RoleDefinition& role, const std::string& model) const {
    const RoleRun run = run_of(role, model);
    return fmt::format("{} {}x{} {} {}", model, run.context_tokens, run.parallel,
                       run.load_mode ? static_cast<int>(*run.load_mode) : -1, run.vision);
  }

  bool licence_allows(const std::string& model) {
    if (options_.licences.empty()) return true;
    const auto licence = sizer_.licence(model);
    if (!licence.known()) {
      unknown_licences_.insert(model);
      return false;
    }
    seen_licences_.insert(lower_case(*licence.value));
    return std::any_of(options_.licences.begin(), options_.licences.end(), [&](const std::string& wanted) {
      return folded_name(*licence.value) == folded_name(wanted);
    });
  }

  void add_licence_notes() {
    if (!unknown_licences_.empty())
      report_.notes.push_back(
          fmt::format("{} models state no license in the catalog, so the filter left them out: {}",
                      unknown_licences_.size(), fmt::join(unknown_licences_, ", ")));
    std::set<std::string> seen;
    for (const auto& licence : seen_licences_) seen.insert(folded_name(licence));
    for (const auto& wanted : options_.licences)
      if (!seen.contains(folded_name(wanted)))
        report_.notes.push_back(fmt::format("No candidate is under --license {}; theirs are: {}.", wanted,
                                            fmt::join(seen_licences_, ", ")));
  }

  [[nodiscard]] bool excluded(const std::string& model) const {
    return std::any_of(options_.excluded.begin(), options_.excluded.end(), [&](const std::string& name) {
      const auto entry = services_.catalog.find_by_name("model", name);
      return name == model || (entry && entry->id == model);
    });
  }

  [[nodiscard]] double retained(const std::string& quant) const {
    // A mean divergence of d nats keeps exp(-d) of the likelihood per token.
    const auto loss = losses_.find(quant);
    return loss == losses_.end() ? 1.0 : std::exp(-loss->second);
  }

  static PlanRole planned_role(const RoleDefinition& role, const Pin* pin) {
    PlanRole planned;
    planned.id = role.id;
    planned.priority = role.priority;
    planned.weight = role.weight;
    planned.required = role.required || pin != nullptr;
    planned.preference = role.preference;
    planned.cloud = role.cloud;
    planned.vision = needs_vision(role);
    planned.draft_for = role.draft_for;
    return planned;
  }

  Result<void> add_role(const RoleDefinition& role, const Pin* pin) {
    PlanRole planned = planned_role(role, pin);
    if (is_left_out(role, pin)) {
      planned.unavailable_because =
          fmt::format("left out below {}, as the guide does; --pin {}=MODEL asks for it",
                      size_text(gibibytes(role.lowest_gib)), role.id);
      report_.request.roles.push_back(std::move(planned));
      return {};
    }
    filtered_by_.clear();
    for (const auto& candidate : candidates_of(role, pin))
      if (auto added = add_candidate(role, candidate, pin, planned); !added) return added;
    if (planned.options.empty())
      planned.unavailable_because = filtered_by_.empty()
                                        ? "it has no candidates"
                                        : fmt::format("no model passes: {}", fmt::join(filtered_by_, "; "));
    report_.request.roles.push_back(std::move(planned));
    return {};
  }

  Result<void> add_candidate(const RoleDefinition& role, const RoleCandidate& candidate, const Pin* pin,
                             PlanRole& planned) {
    if (excluded(candidate.model)) {
      filtered_by_.insert(candidate.model + " is excluded");
      return {};
    }
    if (!licence_allows(candidate.model)) {
      filtered_by_.insert(candidate.model + " lacks the license");
      return {};
    }
    const std::vector<std::string> quants =
        pin != nullptr && !pin->quant.empty() ? std::vector{pin->quant} : quants_of(options_.policy);
    const double lowest = std::max(options_.lowest_quality.value_or(0), role.lowest_quality.value_or(0));
    for (const auto& quant : quants) {
      const double quality = candidate.capability.value_or(0) * retained(quant);
      if (quality < lowest) {
        filtered_by_.insert(fmt::format("{} {} has quality {:.2f}", candidate.model, quant, quality));
        continue;
      }
      const auto variant = variant_index(role, candidate.model, quant);
      if (!variant && pin != nullptr) return tl::unexpected(variant.error());
      if (!variant) {
        filtered_by_.insert(variant.error().message);
        continue;
      }
      if (fast_enough(role, *variant)) planned.options.push_back({*variant, quality});
      for (const auto& group : gpus_) {
        const auto on_gpu = gpu_variant_index(role, candidate.model, quant, group);
        if (on_gpu && fast_enough(role, *on_gpu)) planned.options.push_back({*on_gpu, quality});
      }
    }
    return {};
  }

  /// Files that one variant alone maps are shared with nobody, and cost the search time.
  void forget_lone_files() {
    std::map<std::string, int> uses;
    for (const auto& variant : report_.request.variants) ++uses[variant.shared_file];
    for (auto& variant : report_.request.variants)
      if (uses[variant.shared_file] == 1) variant.shared_file.clear();
  }

  /// A role with a speed to keep takes nothing that is slower, nor anything whose speed is unknown.
  bool fast_enough(const RoleDefinition& role, std::size_t index) {
    const double lowest = std::max(options_.lowest_speed.value_or(0), role.lowest_speed.value_or(0));
    if (lowest <= 0) return true;
    PlanVariant& variant = report_.request.variants[index];
    if (!variant.decode_tokens_per_second)
      variant.decode_tokens_per_second = sizer_.decode_speed(variant, host_, speed_request(options_));
    const auto& speed = variant.decode_tokens_per_second;
    if (speed && *speed >= lowest) return true;
    if (!speed)
      report_.needed_fact = "--bandwidth or --cpu says how fast memory is, which a lowest speed needs";
    filtered_by_.insert(
        speed ? fmt::format("{} {} decodes {:.1f} tokens/s", variant.model, variant.quant, *speed)
              : std::string("speed is unknown without --bandwidth or --cpu"));
    return false;
  }

  Result<std::size_t> variant_index(const RoleDefinition& role, const std::string& model,
                                    const std::string& quant) {
    const std::string name = key(role, model) + " " + quant;
    if (const auto found = variants_.find(name); found != variants_.end()) return found->second;
    auto variant = sizer_.variant(model, quant, run_of(role, model), users_[key(role, model)]);
    if (!variant) return tl::unexpected(variant.error());
    report_.request.variants.push_back(std::move(*variant));
    return variants_[name] = report_.request.variants.size() - 1;
  }

  std::optional<std::size_t> gpu_variant_index(const RoleDefinition& role, const std::string& model,
                                               const std::string& quant, const DeviceGroup& group) {
    const std::string name =
        fmt::format("{} {} gpu{}x{}", key(role, model), quant, group.pool, group.devices.size());
    if (const auto found = gpu_variants_.find(name); found != gpu_variants_.end()) return found->second;
    auto variant = sizer_.variant_on(group, model, quant, run_of(role, model), users_[key(role, model)],
                                     host_, speed_request(options_));
    auto& index = gpu_variants_[name];
    if (!variant || !*variant) return index;
    report_.request.variants.push_back(std::move(**variant));
    return index = report_.request.variants.size() - 1;
  }

  const Services& services_;
  const Host& host_;
  const PlanOptions& options_;
  QuantLosses losses_;
  const std::vector<DeviceGroup>& gpus_;
  PlanSizer& sizer_;
  PlanReport& report_;
  /// How many roles could share an instance of each model and run: that many sizes are needed.
  std::map<std::string, std::size_t> users_;
  std::map<std::string, std::size_t> variants_;
  std::map<std::string, std::optional<std::size_t>> gpu_variants_;
  std::set<std::string> unknown_licences_, seen_licences_;
  std::set<std::string> filtered_by_;  ///< Of the role being added.
};

/// Speed at which half of a choice's quality counts, by policy, in tokens per second: ours.
double half_worth_speed(PlanPolicy policy) {
  constexpr double halves[] = {4, 1, 16};
  return halves[static_cast<int>(policy)];
}

/// For ranking only, where nothing says what the host's memory does: two channels of DDR5-5600.
constexpr BytesPerSecond assumed_bandwidth(89.6e9);

}  // namespace

Result<std::vector<RoleDefinition>> roles_of(const Services& services, const PlanOptions& options) {
  const std::string& name = options.role_set;
  const bool is_file = name.ends_with(".json") || name.find('/') != std::string::npos;
  if (!is_file) return catalog::load_role_set(services.catalog, name);
  const auto content = services.files.read_text(name, longest_role_file);
  if (!content) return tl::unexpected(content.error());
  return catalog::parse_role_file(services.catalog, *content, name);
}

SpeedRequest speed_request(const PlanOptions& options) {
  SpeedRequest request;
  request.bandwidth = options.bandwidth;
  request.cpu = options.cpu;
  return request;
}

void weigh_speed(const Host& host, const PlanOptions& options, PlanSizer& sizer, PlanReport& report) {
  SpeedRequest request = speed_request(options);
  if (!request.bandwidth && request.cpu.empty() && (options.ram || !host.memory.bandwidth.known())) {
    request.bandwidth = assumed_bandwidth;
    report.notes.push_back(
        "Choices between GPU and RAM assume 89.6 GB/s of memory bandwidth; --bandwidth states the "
        "machine's.");
  }
  std::map<std::size_t, double> speeds;
  for (auto& role : report.request.roles)
    for (auto& option : role.options) {
      const PlanVariant& variant = report.request.variants[option.variant];
      const auto [speed, fresh] = speeds.try_emplace(option.variant, 0.0);
      if (fresh)
        speed->second = variant.decode_tokens_per_second
                            ? *variant.decode_tokens_per_second
                            : sizer.decode_speed(variant, host, request).value_or(0);
      const double half = half_worth_speed(options.policy);
      option.worth = option.quality * speed->second / (speed->second + half);
    }
}

Result<void> add_roles(const Services& services, const Host& host, const PlanOptions& options,
                       const std::vector<RoleDefinition>& roles, const std::vector<DeviceGroup>& gpus,
                       PlanSizer& sizer, PlanReport& report) {
  if (auto checked = check_role_names(options, roles); !checked) return checked;
  if (auto checked = check_exclusions(services, options); !checked) return checked;
  const auto pins = parse_pins(services, options, roles);
  if (!pins) return tl::unexpected(pins.error());
  auto losses = catalog::load_quant_losses(services.catalog);
  if (!losses) return tl::unexpected(losses.error());
  Assembly assembly(services, host, options, std::move(*losses), gpus, sizer, report);
  if (auto added = assembly.add_roles(roles, *pins); !added) return added;
  if (!gpus.empty()) weigh_speed(host, options, sizer, report);
  return {};
}

}  // namespace llmsize::app
