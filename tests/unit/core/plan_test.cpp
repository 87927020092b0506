#include "llmsize/core/plan.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <catch2/catch.hpp>

using namespace llmsize;

namespace {

PlanVariant variant(const std::string& id, std::size_t pool, std::int64_t fixed, std::int64_t per_role,
                    std::size_t most_roles) {
  PlanVariant v;
  v.id = v.model = id;
  v.quant = "Q4_K_M";
  v.pool = pool;
  for (std::size_t k = 1; k <= most_roles; ++k)
    v.memory_by_roles.emplace_back(fixed + per_role * static_cast<std::int64_t>(k));
  return v;
}

PlanRequest random_request(std::mt19937& random) {
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  PlanRequest request;
  const int pools = pick(1, 2), roles = pick(1, 4), variants = pick(1, 6);
  for (int p = 0; p < pools; ++p)
    request.pools.push_back({"pool" + std::to_string(p), "ram", Bytes(pick(5, 60)), Bytes(0), Bytes(0)});
  for (int v = 0; v < variants; ++v)
    request.variants.push_back(variant("v" + std::to_string(v), static_cast<std::size_t>(pick(0, pools - 1)),
                                       pick(1, 25), pick(0, 6), static_cast<std::size_t>(pick(1, 4))));
  for (int r = 0; r < roles; ++r) {
    PlanRole role;
    role.id = "r" + std::to_string(r);
    role.priority = r + 1;
    role.weight = 1.0 / (r + 1);
    role.preference = pick(0, 1) == 0 ? PlanTier::hot : PlanTier::warm;
    for (int v = 0; v < variants; ++v)
      if (pick(0, 2) != 0) role.options.push_back({static_cast<std::size_t>(v), pick(1, 10) / 10.0});
    request.roles.push_back(std::move(role));
  }
  return request;
}

struct Best {
  std::vector<bool> served;
  std::int64_t value = 0;
};

/// Tries every assignment of every role to "nowhere", a HOT variant or, where it may, a WARM one.
class BruteForce {
 public:
  explicit BruteForce(const PlanRequest& request) : request_(request), choice_(request.roles.size()) {
    best_.served.assign(request.roles.size(), false);
    visit(0);
  }
  [[nodiscard]] const Best& best() const { return best_; }

 private:
  struct Choice {
    const PlanOption* option = nullptr;
    bool warm = false;
  };
  void visit(std::size_t role) {
    if (role == choice_.size()) return judge();
    choice_[role] = {};
    visit(role + 1);
    for (const auto& option : request_.roles[role].options) {
      choice_[role] = {&option, false};
      visit(role + 1);
      if (request_.roles[role].preference != PlanTier::warm) continue;
      choice_[role] = {&option, true};
      visit(role + 1);
    }
    choice_[role] = {};
  }
  void judge() {
    std::map<std::size_t, std::size_t> users;
    std::vector<std::int64_t> hot(request_.pools.size(), 0), peak(request_.pools.size(), 0);
    Best candidate;
    for (std::size_t r = 0; r < choice_.size(); ++r) {
      candidate.served.push_back(choice_[r].option != nullptr);
      if (choice_[r].option == nullptr) continue;
      const auto& v = request_.variants[choice_[r].option->variant];
      candidate.value += std::llround(choice_[r].option->quality * request_.roles[r].weight * 1e9);
      if (choice_[r].warm)
        peak[v.pool] = std::max(peak[v.pool], v.memory_by_roles[0].value());
      else
        ++users[choice_[r].option->variant];
    }
    for (const auto& [index, count] : users) {
      const auto& v = request_.variants[index];
      // More roles than one instance takes need several instances; the generator's costs make every split
      // as good as the fullest one first.
      const std::size_t most = v.memory_by_roles.size();
      std::size_t left = count;
      while (left > 0) {
        const std::size_t here = std::min(left, most);
        hot[v.pool] += v.memory_by_roles[here - 1].value();
        left -= here;
      }
    }
    for (std::size_t p = 0; p < hot.size(); ++p)
      if (hot[p] + peak[p] > request_.pools[p].budget().value()) return;
    if (candidate.served > best_.served ||
        (candidate.served == best_.served && candidate.value > best_.value))
      best_ = candidate;
  }
  const PlanRequest& request_;
  std::vector<Choice> choice_;
  Best best_;
};

}  // namespace

TEST_CASE("The plan equals brute force on 2,000 random small cases") {
  std::mt19937 random(20260911);  // A fixed seed: the cases are the same on every machine.
  for (int i = 0; i < 2000; ++i) {
    const PlanRequest request = random_request(random);
    const auto plan = solve(request);
    REQUIRE(plan);
    const BruteForce brute(request);
    std::vector<bool> served;
    for (const auto& role : plan->roles) served.push_back(role.instance.has_value());
    INFO("case " << i);
    REQUIRE(served == brute.best().served);
    REQUIRE(std::llround(plan->objective.value * 1e9) == brute.best().value);
    for (const auto& pool : plan->pools) {
      REQUIRE(pool.headroom >= Bytes(0));
      REQUIRE_FALSE(pool.headroom.is_saturated());
    }
  }
}

TEST_CASE("Roles that share an instance pay for its weights once") {
  PlanRequest request;
  request.pools = {{"ram", "ram", Bytes(30), Bytes(0), Bytes(0)}};
  request.variants = {variant("shared", 0, 20, 5, 2)};
  for (const char* id : {"frontdoor", "workers"}) {
    PlanRole role;
    role.id = id;
    role.options = {{0, 1.0}};
    request.roles.push_back(role);
  }
  const auto plan = solve(request);
  REQUIRE(plan);
  CHECK(plan->roles[0].status == RoleStatus::placed);
  CHECK(plan->roles[1].status == RoleStatus::shared);
  CHECK(plan->pools[0].hot == Bytes(30));
}

TEST_CASE("A role served early is never given up for better quality elsewhere") {
  PlanRequest request;
  request.pools = {{"ram", "ram", Bytes(10), Bytes(0), Bytes(0)}};
  request.variants = {variant("small", 0, 4, 0, 1), variant("large", 0, 10, 0, 1)};
  PlanRole first, second;
  first.id = "first";
  first.options = {{0, 0.1}};
  second.id = "second";
  second.options = {{1, 1.0}};
  request.roles = {first, second};
  auto plan = solve(request);
  REQUIRE(plan);
  add_ladder(request, *plan);
  CHECK(plan->roles[0].instance.has_value());
  CHECK(plan->roles[1].status == RoleStatus::dropped);
  REQUIRE(plan->next_step.has_value());
  CHECK(plan->next_step->role == "second");
}

TEST_CASE("The next gain is the least memory that serves the same roles better") {
  std::mt19937 random(7);  // A fixed seed: the cases are the same on every machine.
  int gains = 0;
  for (int i = 0; i < 500; ++i) {
    PlanRequest request = random_request(random);
    if (request.pools.size() != 1) continue;
    auto plan = solve(request);
    REQUIRE(plan);
    add_ladder(request, *plan);
    CHECK_FALSE((plan->next_gain && plan->next_step));
    if (!plan->next_gain) continue;
    ++gains;
    INFO("case " << i << ", " << plan->next_gain->extra.value() << " bytes more");
    CHECK_FALSE(plan->next_gain->changed.empty());
    const auto value_with = [&](Bytes extra) {
      PlanRequest grown = request;
      grown.pools.front().capacity += extra;
      return BruteForce(grown).best().value;
    };
    const auto value = std::llround(plan->objective.value * 1e9);
    CHECK(value_with(plan->next_gain->extra) > value);
    CHECK(value_with(plan->next_gain->extra - Bytes(1)) == value);
  }
  CHECK(gains >= 20);
}

TEST_CASE("WARM roles take turns in the largest one's memory, and are promoted where there is room") {
  PlanRequest request;
  request.pools = {{"ram", "ram", Bytes(30), Bytes(0), Bytes(0)}};
  request.variants = {variant("general", 0, 20, 0, 1), variant("coding", 0, 30, 0, 1)};
  for (std::size_t i = 0; i < 2; ++i) {
    PlanRole role;
    role.id = i == 0 ? "architect_general" : "architect_coding";
    role.preference = PlanTier::warm;
    role.options = {{i, 1.0}};
    request.roles.push_back(role);
  }
  auto plan = solve(request);
  REQUIRE(plan);
  CHECK(plan->pools[0].warm_peak == Bytes(30));
  CHECK(plan->pools[0].hot == Bytes(0));
  request.pools[0].capacity = Bytes(50);
  plan = solve(request);
  REQUIRE(plan);
  CHECK(plan->pools[0].hot == Bytes(50));
  CHECK(plan->roles[1].tier == PlanTier::hot);
}

TEST_CASE("Too many roles are refused") {
  PlanRequest request;
  request.roles.resize(most_plan_roles + 1);
  CHECK(solve(request).error().code == ErrorCode::usage);
}
