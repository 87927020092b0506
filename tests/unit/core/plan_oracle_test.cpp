#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "llmsize/core/plan.hpp"

using namespace llmsize;

namespace {

constexpr double value_units = 1e9;

/// Eight roles and forty variants in two memories of which `percent` are left: what no brute force can try.
PlanRequest middle_sized(std::mt19937& random, int percent) {
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  PlanRequest request;
  request.pools = {{"ram", "ram", Bytes(pick(150, 600) * percent / 100), Bytes(0), Bytes(0)},
                   {"node1", "numa_node", Bytes(pick(50, 300) * percent / 100), Bytes(0), Bytes(0)}};
  constexpr int roles = 8, variants = 40, most_users = 3;
  for (int v = 0; v < variants; ++v) {
    PlanVariant variant;
    variant.id = variant.model = "v" + std::to_string(v);
    variant.pool = static_cast<std::size_t>(pick(0, 1));
    const int fixed = pick(5, 120), per_role = pick(1, 12);
    for (int k = 1; k <= most_users; ++k) variant.memory_by_roles.emplace_back(fixed + per_role * k);
    request.variants.push_back(std::move(variant));
  }
  for (int r = 0; r < roles; ++r) {
    PlanRole role;
    role.id = "r" + std::to_string(r);
    role.weight = roles - r;
    role.preference = pick(0, 2) == 0 ? PlanTier::warm : PlanTier::hot;
    for (std::size_t v = 0; v < variants; ++v)
      if (pick(0, 3) == 0)
        role.options.push_back(
            {v, std::min(1.0, static_cast<double>(request.variants[v].memory_by_roles[0].value()) / 150 +
                                  pick(0, 20) / 100.0)});
    request.roles.push_back(std::move(role));
  }
  return request;
}

/// The same problem for a general solver: x and w put a role on a variant (HOT, WARM), y how many instances
/// serve so many roles, p is a pool's WARM peak. The roles of `served` are to be served, all others not.
std::string linear_program(const PlanRequest& request, const std::vector<bool>& served) {
  std::ostringstream objective, rows, binaries, generals;
  std::vector<std::ostringstream> pools(request.pools.size()), users(request.variants.size());
  rows << "Subject To\n";
  for (std::size_t r = 0; r < request.roles.size(); ++r) {
    if (!served[r]) continue;
    std::ostringstream once;
    for (const auto& option : request.roles[r].options) {
      const auto& variant = request.variants[option.variant];
      const auto value = std::llround(option.quality * request.roles[r].weight * value_units);
      const std::string name = std::to_string(r) + "_" + std::to_string(option.variant);
      objective << " + " << value << " x" << name;
      once << " + x" << name;
      users[option.variant] << " - x" << name;
      binaries << " x" << name;
      if (request.roles[r].preference != PlanTier::warm) continue;
      objective << " + " << value << " w" << name;
      once << " + w" << name;
      binaries << " w" << name;
      rows << " p" << variant.pool << " - " << variant.memory_by_roles[0].value() << " w" << name
           << " >= 0\n";
    }
    rows << once.str() << " = 1\n";
  }
  for (std::size_t v = 0; v < request.variants.size(); ++v) {
    if (users[v].str().empty()) continue;
    for (std::size_t k = 1; k <= request.variants[v].memory_by_roles.size(); ++k) {
      const std::string name = " y" + std::to_string(v) + "_" + std::to_string(k);
      rows << " + " << k << name;
      generals << name;
      pools[request.variants[v].pool] << " + " << request.variants[v].memory_by_roles[k - 1].value() << name;
    }
    rows << users[v].str() << " = 0\n";
  }
  for (std::size_t p = 0; p < pools.size(); ++p)
    rows << pools[p].str() << " + p" << p << " <= " << request.pools[p].budget().value() << "\n";
  std::string program = "Maximize\n obj:" + objective.str() + "\n" + rows.str() + "Binaries\n" +
                        binaries.str() + "\nGenerals\n" + generals.str() + "\nEnd\n";
  // CBC reads lines in pieces of 1,024 characters, and a name or number cut in two is another one.
  for (std::size_t at = 0; (at = program.find(" + ", at)) != std::string::npos; ++at) program[at] = '\n';
  std::replace(program.begin() + static_cast<std::ptrdiff_t>(program.find("Binaries")), program.end(), ' ',
               '\n');
  return program;
}

/// What CBC says is the highest value; nothing where it proves that there is none.
std::optional<double> highest_value(const std::string& program) {
  const std::string folder = std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp";
  // Of this process alone: two builds may be tested at once.
  const std::string path = folder + "/llmsize_plan_oracle_" + std::to_string(getpid()) + ".lp",
                    answer = path + ".out";
  std::ofstream(path) << program;
  REQUIRE(std::system(("cbc " + path + " ratioGap 0 allowableGap 0 solve > " + answer).c_str()) == 0);
  std::ifstream stream(answer);
  std::string line;
  std::optional<double> value;
  while (std::getline(stream, line)) {
    // The lines that state the result; the log speaks of infeasible steps on the way, too. Nothing here is
    // unbounded: every variable is part of a sum that a row limits.
    const bool result = line.starts_with("Result -") || line.starts_with("Problem is infeasible") ||
                        line.starts_with("Pre-processing says infeasible or unbounded");
    if (result && line.find("nfeasible") != std::string::npos) return std::nullopt;
    const std::string mark = "Objective value:";
    if (line.starts_with(mark)) value = std::abs(std::stod(line.substr(mark.size())));
  }
  std::remove(path.c_str());
  std::remove(answer.c_str());
  REQUIRE(value.has_value());
  return value;
}

}  // namespace

TEST_CASE(
    "The plan equals a mixed-integer solver on 30 middle-sized cases, and refuses what it proves "
    "impossible") {
  if (std::system("command -v cbc > /dev/null") != 0) {
    WARN("SKIPPED: cbc is not installed (package coinor-cbc), so nothing checks middle-sized plans");
    return;
  }
  std::mt19937 random(42);  // A fixed seed: the cases are the same on every machine.
  int refusing = 0;
  for (int i = 0; i < 30; ++i) {
    // Every third case has room for all, every third for a few.
    const PlanRequest request =
        middle_sized(random, std::array{100, 30, 12}[static_cast<std::size_t>(i % 3)]);
    const auto plan = solve(request);
    REQUIRE(plan);
    INFO("case " << i);
    std::vector<bool> served(request.roles.size(), false);
    bool refused = false;
    for (std::size_t r = 0; r < served.size(); ++r) {
      served[r] = true;
      if (plan->roles[r].instance) continue;
      // A role is refused only where it does not fit beside those that were served before it.
      INFO("role " << r << " was refused");
      CHECK_FALSE(highest_value(linear_program(request, served)).has_value());
      served[r] = false;
      refused = true;
    }
    refusing += refused ? 1 : 0;
    // A program without variables is none that CBC reads.
    const bool nothing = std::find(served.begin(), served.end(), true) == served.end();
    const auto best = nothing ? std::optional(0.0) : highest_value(linear_program(request, served));
    REQUIRE(best.has_value());
    // CBC computes in floating point, to a relative 1e-6 at best.
    CHECK(plan->objective.value * value_units == Approx(*best).epsilon(1e-6));
  }
  CHECK(refusing >= 10);
}
