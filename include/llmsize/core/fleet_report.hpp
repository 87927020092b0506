#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/host_class.hpp"
#include "llmsize/core/plan_report.hpp"

namespace llmsize {

/// A file that was not planned for, and why.
struct LeftOutHost {
  std::string file, reason;
};

/// A host of the fleet and what became of it.
struct PlannedHost {
  std::string name;        ///< Its file's, without ".json".
  std::string machine_id;  ///< Empty: unknown.
  std::size_t machine_class = 0;
  std::optional<std::size_t> group;  ///< Into FleetReport::groups; nothing where it stays free.
};

/// Hosts of one class that get the same servers.
struct FleetGroup {
  std::string id;  ///< The class's, with a letter where the class is divided.
  std::size_t machine_class = 0;
  std::vector<std::string> roles;  ///< Those it serves, the most important first.
  std::vector<std::size_t> hosts;  ///< Into FleetReport::hosts.
  PlanReport plan;                 ///< Of each of them.
};

/// A role over the whole fleet.
struct FleetRole {
  std::string id;
  int priority = 0;
  bool required = false;
  bool cloud = false;
  std::optional<std::int64_t> wanted;  ///< Replicas; nothing where every host runs its own plan.
  bool asked = false;                  ///< By --replicas or --demand: fewer is a failure.
  std::int64_t served = 0;
  std::optional<double> demand;     ///< --demand, in tokens per second.
  std::optional<double> delivered;  ///< What the replicas decode together, one stream each.
  std::string reason;               ///< Why there are fewer; empty where there are not.
  [[nodiscard]] bool lacks() const;
};

/// What the loss of any one host of a class means.
struct HostLoss {
  std::string machine_class;
  std::vector<std::string> fewer;     ///< Roles that have fewer replicas than now until planned anew.
  std::vector<std::string> vanished;  ///< Of those, the roles that nobody serves then.
  std::vector<std::string> lost;      ///< Roles that have fewer even in the best new plan.
  std::vector<std::string> remedies;  ///< What would keep them, one clause each.
};

/// Everything `llmsize plan --hosts` answers.
struct FleetReport {
  std::string folder;
  std::vector<PlannedHost> hosts;  ///< By name.
  std::vector<MachineClass> classes;
  std::vector<FleetGroup> groups;
  std::vector<FleetRole> roles;  ///< The most important first.
  std::vector<HostLoss> losses;  ///< By class.
  std::string method;            ///< "own", "exact" or "greedy": how roles were given to hosts.
  double value = 0, bound = 0;   ///< Of the assignment; 0 where every host runs its own plan.
  std::vector<LeftOutHost> left_out;
  std::vector<std::string> notes;

  [[nodiscard]] std::size_t free_hosts() const;
  [[nodiscard]] bool lacks_any() const;
};

}  // namespace llmsize
