#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "llmsize/core/plan.hpp"

using namespace llmsize;

namespace {

/// Random machines with a host and up to three identical GPUs; variants on the host (some of one file), on
/// one GPU or split over several with a part on the host.
class RandomCase {
 public:
  explicit RandomCase(std::mt19937& random) : random_(random) {
    request.pools = {{"ram", "ram", Bytes(pick(5, 50)), Bytes(0), Bytes(0)}};
    gpus_ = pick(0, 3);
    if (gpus_ > 0) {
      PlanPool pool{"gpu", "gpu", Bytes(pick(3, 25)), Bytes(0), Bytes(0)};
      pool.count = gpus_;
      request.pools.push_back(pool);
    }
    const int roles = pick(1, 3);
    for (int v = 0, variants = pick(1, 6); v < variants; ++v) add_variant(v, roles);
    for (int r = 0; r < roles; ++r) add_role(r);
  }
  PlanRequest request;

 private:
  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

  void add_variant(int number, int roles) {
    PlanVariant v;
    v.id = v.model = "v" + std::to_string(number);
    v.pool = gpus_ > 0 && pick(0, 2) != 0 ? 1 : 0;
    if (v.pool == 1) v.devices = std::min(gpus_, pick(1, 3));
    const int fixed = pick(1, 15), per_role = pick(0, 4), host = pick(0, 6);
    for (int k = 1; k <= roles; ++k) {
      v.memory_by_roles.emplace_back(fixed + per_role * k);
      if (v.pool == 1) v.host_by_roles.emplace_back(host);
    }
    if (v.pool == 0 && pick(0, 1) == 0) {
      v.shared_file = pick(0, 1) == 0 ? "a.gguf" : "b.gguf";
      v.shared_bytes = Bytes(pick(0, fixed));
    }
    // The pages of one file are the same for everyone who maps it.
    for (const auto& other : request.variants)
      if (!v.shared_file.empty() && other.shared_file == v.shared_file) v.shared_bytes = other.shared_bytes;
    if (v.shared_bytes > v.memory_by_roles.front()) v.shared_file.clear();
    if (v.shared_file.empty()) v.shared_bytes = Bytes(0);
    request.variants.push_back(std::move(v));
  }

  void add_role(int number) {
    PlanRole role;
    role.id = "r" + std::to_string(number);
    role.priority = number + 1;
    role.weight = 1.0 / (number + 1);
    role.preference = pick(0, 1) == 0 ? PlanTier::hot : PlanTier::warm;
    std::set<std::string> files;
    for (std::size_t v = 0; v < request.variants.size(); ++v) {
      const std::string& file = request.variants[v].shared_file;
      if (pick(0, 2) == 0 || (!file.empty() && !files.insert(file).second)) continue;
      role.options.push_back({v, pick(1, 10) / 10.0});
    }
    request.roles.push_back(std::move(role));
  }

  std::mt19937& random_;
  int gpus_ = 0;
};

struct Best {
  std::vector<bool> served;
  std::int64_t value = -1;
};

/// Tries every way to group the GPUs and, for each, every choice of every role.
class BruteForce {
 public:
  explicit BruteForce(const PlanRequest& request) : request_(request), choice_(request.roles.size()) {
    best_.served.assign(request.roles.size(), false);
    const std::int64_t count = request.pools.size() > 1 ? request.pools[1].count : 0;
    std::vector<std::int64_t> sizes = {0};  // Group 0 is the host.
    group(count, count, sizes);
  }
  [[nodiscard]] const Best& best() const { return best_; }

 private:
  struct Choice {
    const PlanOption* option = nullptr;
    bool warm = false;
    std::size_t group = 0;
  };

  void group(std::int64_t left, std::int64_t largest, std::vector<std::int64_t>& sizes) {
    if (left == 0) {
      sizes_ = sizes;
      return visit(0);
    }
    const std::int64_t count = request_.pools[1].count;
    for (std::int64_t size = std::min(left, largest); size >= 1; --size) {
      if (size != count && (size & (size - 1)) != 0) continue;
      sizes.push_back(size);
      group(left - size, size, sizes);
      sizes.pop_back();
    }
  }

  void visit(std::size_t role) {
    if (role == choice_.size()) return judge();
    choice_[role] = {};
    visit(role + 1);
    for (const auto& option : request_.roles[role].options)
      for (std::size_t g = 0; g < sizes_.size(); ++g) {
        const auto& v = request_.variants[option.variant];
        if (g == 0 ? v.pool != 0 : v.pool != 1 || v.devices != sizes_[g]) continue;
        for (const bool warm : {false, true}) {
          if (warm && request_.roles[role].preference != PlanTier::warm) continue;
          choice_[role] = {&option, warm, g};
          visit(role + 1);
        }
      }
    choice_[role] = {};
  }

  void judge() {
    std::vector<std::int64_t> hot(sizes_.size(), 0), peak(sizes_.size(), 0), host_peak(sizes_.size(), 0);
    std::map<std::pair<std::size_t, std::size_t>, std::size_t> users;
    Best candidate;
    candidate.value = 0;
    for (std::size_t r = 0; r < choice_.size(); ++r) {
      const Choice& c = choice_[r];
      candidate.served.push_back(c.option != nullptr);
      if (c.option == nullptr) continue;
      const auto& v = request_.variants[c.option->variant];
      candidate.value += std::llround(c.option->quality * request_.roles[r].weight * 1e9);
      if (!c.warm) {
        ++users[{c.group, c.option->variant}];
        continue;
      }
      peak[c.group] = std::max(peak[c.group], v.memory_by_roles[0].value());
      if (c.group != 0) host_peak[c.group] = std::max(host_peak[c.group], v.host_by_roles[0].value());
    }
    std::set<std::string> mapped;
    for (const auto& [key, count] : users) {
      const auto& v = request_.variants[key.second];
      hot[key.first] += v.memory_by_roles[count - 1].value();
      if (key.first != 0) hot[0] += v.host_by_roles[count - 1].value();
      if (!v.shared_file.empty() && !mapped.insert(v.shared_file).second) hot[0] -= v.shared_bytes.value();
    }
    for (std::size_t g = 1; g < sizes_.size(); ++g) {
      if (hot[g] + peak[g] > request_.pools[1].budget().value()) return;
      peak[0] += host_peak[g];
    }
    if (hot[0] + peak[0] > request_.pools[0].budget().value()) return;
    if (candidate.served > best_.served ||
        (candidate.served == best_.served && candidate.value > best_.value))
      best_ = candidate;
  }

  const PlanRequest& request_;
  std::vector<Choice> choice_;
  std::vector<std::int64_t> sizes_;
  Best best_;
};

}  // namespace

TEST_CASE("Groups of GPUs, host parts and shared files: the plan equals brute force on 1,500 random cases") {
  std::mt19937 random(20261128);  // A fixed seed: the cases are the same on every machine.
  int with_gpus = 0, with_sharing = 0;
  for (int i = 0; i < 1500; ++i) {
    const RandomCase one(random);
    const auto plan = solve(one.request);
    REQUIRE(plan);
    const BruteForce brute(one.request);
    std::vector<bool> served;
    for (const auto& role : plan->roles) served.push_back(role.instance.has_value());
    INFO("case " << i);
    REQUIRE(served == brute.best().served);
    REQUIRE(std::llround(plan->objective.value * 1e9) == std::max<std::int64_t>(0, brute.best().value));
    for (const auto& pool : plan->pools) REQUIRE(pool.headroom >= Bytes(0));
    for (const auto& instance : plan->instances) with_gpus += instance.group > 0 ? 1 : 0;
    with_sharing += plan->pools[0].shared > Bytes(0) ? 1 : 0;
  }
  // The generator must reach what the test is about.
  CHECK(with_gpus > 300);
  CHECK(with_sharing > 10);
}
