#include "llmsize/app/saved_plan.hpp"

#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/run.hpp"

namespace llmsize::app {
namespace {

using nlohmann::json;

/// More than any machine has; what is beyond it is no plan of ours.
constexpr std::int64_t most_bytes = gibibytes(1024 * 1024).value();
constexpr std::int64_t most_tokens = std::int64_t{1} << 31;
constexpr std::size_t most_rows = 4096;
constexpr std::int64_t most_plan_devices = 16, most_layers = 1'000'000;

/// Reads members of one object, and remembers the first thing that is wrong.
class Reader {
 public:
  Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  std::string text(const char* key, bool may_be_null = false) {
    const json* value = find(key, may_be_null);
    if (value == nullptr || value->is_null()) return "";
    if (!value->is_string()) return fault(key, "must be a text"), "";
    return value->get<std::string>();
  }
  std::int64_t number(const char* key, std::int64_t lowest, std::int64_t highest) {
    const json* value = find(key, false);
    if (value == nullptr) return lowest;
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<std::uint64_t>() <= static_cast<std::uint64_t>(highest)) &&
                      value->get<std::int64_t>() >= lowest && value->get<std::int64_t>() <= highest;
    if (!fits) fault(key, fmt::format("must be a whole number from {} to {}", lowest, highest));
    return fits ? value->get<std::int64_t>() : lowest;
  }
  bool flag(const char* key) {
    const json* value = find(key, false);
    if (value != nullptr && !value->is_boolean()) fault(key, "must be true or false");
    return value != nullptr && value->is_boolean() && value->get<bool>();
  }
  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> list;
    const json* value = find(key, false);
    if (value == nullptr) return list;
    for (const auto& item : *value) {
      if (!value->is_array() || !item.is_string()) return fault(key, "must be a list of texts"), list;
      list.push_back(item.get<std::string>());
    }
    return list;
  }
  const json* object(const char* key) {
    const json* value = find(key, false);
    if (value != nullptr && !value->is_object()) return fault(key, "must be an object"), nullptr;
    return value;
  }
  const json* list(const char* key) {
    const json* value = find(key, false);
    if (value != nullptr && (!value->is_array() || value->size() > most_rows))
      return fault(key, fmt::format("must be a list of at most {}", most_rows)), nullptr;
    return value;
  }
  void fault(const std::string& key, const std::string& what) {
    if (fault_.empty()) fault_ = fmt::format("{}/{} {}", where_, key, what);
  }
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  const json* find(const char* key, bool may_be_missing) {
    const auto found = object_.is_object() ? object_.find(key) : object_.end();
    if (object_.is_object() && found != object_.end()) return &*found;
    if (!may_be_missing) fault(key, "is missing");
    return nullptr;
  }
  const json& object_;
  std::string where_, fault_;
};

tl::unexpected<Error> malformed(const std::string& path, const std::string& what) {
  return fail(ErrorCode::malformed, fmt::format("{}: {}", path, what),
              "Save a plan with llmsize plan --json.");
}

PlanTier tier_of(Reader& reader) {
  const std::string name = reader.text("tier");
  for (const PlanTier tier : {PlanTier::hot, PlanTier::warm, PlanTier::cold})
    if (name == plan_tier_name(tier)) return tier;
  reader.fault("tier", "must be HOT, WARM or COLD");
  return PlanTier::hot;
}

Result<SavedInstance> instance_of(const json& row, const std::string& where) {
  Reader reader(row, where);
  SavedInstance instance;
  instance.id = reader.text("id");
  instance.model = reader.text("model");
  instance.quant = reader.text("quant");
  instance.pool = reader.text("pool");
  instance.roles = reader.texts("roles");
  instance.tier = tier_of(reader);
  instance.context_tokens = reader.number("context_tokens", 1, most_tokens);
  instance.parallel = reader.number("parallel", 1, most_sequences);
  instance.memory = Bytes(reader.number("memory_bytes", 0, most_bytes));
  // Plans of before there were projectors have none.
  if (row.contains("projector_bytes"))
    instance.projector = reader.number("projector_bytes", 0, most_bytes) > 0;
  if (const json* run = reader.object("run")) {
    Reader inner(*run, where + "/run");
    instance.prompt_cache = Bytes(inner.number("prompt_cache_bytes", 0, most_bytes));
    instance.load_mode = inner.text("load_mode");
    instance.devices = inner.number("devices", 1, most_plan_devices);
    instance.gpu_layers = inner.number("gpu_layers", 0, most_layers);
    instance.cpu_expert_layers = inner.number("cpu_expert_layers", 0, most_layers);
    if (!inner.fault().empty()) return fail(ErrorCode::malformed, inner.fault());
  }
  if (!reader.fault().empty()) return fail(ErrorCode::malformed, reader.fault());
  return instance;
}

Result<SavedRole> role_of(const json& row, const std::string& where) {
  Reader reader(row, where);
  SavedRole role;
  role.id = reader.text("role");
  role.status = reader.text("status");
  role.instance = reader.text("instance", true);
  role.priority = static_cast<int>(reader.number("priority", 0, 1'000'000));
  role.required = reader.flag("required");
  if (!reader.fault().empty()) return fail(ErrorCode::malformed, reader.fault());
  return role;
}

/// What a hand-made change breaks most easily: a role whose instance is not there would be checked by nobody.
std::string inconsistency(const SavedPlan& plan) {
  std::set<std::string> instances;
  for (std::size_t i = 0; i < plan.instances.size(); ++i)
    if (!instances.insert(plan.instances[i].id).second)
      return fmt::format("/instances/{} has the id \"{}\", which stands twice", i, plan.instances[i].id);
  for (std::size_t i = 0; i < plan.roles.size(); ++i) {
    const SavedRole& role = plan.roles[i];
    const bool served = role.status == "placed" || role.status == "shared";
    if (served && !instances.contains(role.instance))
      return fmt::format("/roles/{} is {}, but there is no instance \"{}\"", i, role.status, role.instance);
  }
  return "";
}

}  // namespace

Result<SavedPlan> parse_saved_plan(const std::string& content, const std::string& path) {
  const auto document = json::parse(content, nullptr, false);
  if (document.is_discarded()) return malformed(path, "this is no JSON: is the file whole?");
  return saved_plan_of(document, path);
}

Result<SavedPlan> saved_plan_of(const json& document, const std::string& path) {
  const std::string schema =
      document.is_object() && document.contains("schema") && document["schema"].is_string()
          ? document["schema"].get<std::string>()
          : "";
  if (schema == "llmsize.fleet_plan/1")
    return fail(ErrorCode::malformed, fmt::format("{}: this is a plan for many hosts", path),
                "Name the folder of their probes with --hosts DIR.");
  if (schema != "llmsize.plan/1") return malformed(path, "this is no llmsize.plan/1");
  SavedPlan plan;
  Reader reader(document, "");
  if (const json* host = reader.object("host")) {
    Reader inner(*host, "/host");
    plan.host = inner.text("name");
    if (!inner.fault().empty()) return malformed(path, inner.fault());
  }
  if (const json* budget = reader.object("budget")) {
    Reader inner(*budget, "/budget");
    plan.total = Bytes(inner.number("total_bytes", 0, most_bytes));
    plan.available = Bytes(inner.number("available_bytes", -most_bytes, most_bytes));
    if (!inner.fault().empty()) return malformed(path, inner.fault());
  }
  const json* roles = reader.list("roles");
  const json* instances = reader.list("instances");
  if (!reader.fault().empty()) return malformed(path, reader.fault());
  for (std::size_t i = 0; i < roles->size(); ++i) {
    auto role = role_of((*roles)[i], fmt::format("/roles/{}", i));
    if (!role) return malformed(path, role.error().message);
    plan.roles.push_back(std::move(*role));
  }
  for (std::size_t i = 0; i < instances->size(); ++i) {
    auto instance = instance_of((*instances)[i], fmt::format("/instances/{}", i));
    if (!instance) return malformed(path, instance.error().message);
    plan.instances.push_back(std::move(*instance));
  }
  if (const auto what = inconsistency(plan); !what.empty()) return malformed(path, what);
  return plan;
}

}  // namespace llmsize::app
