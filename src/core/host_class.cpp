#include "llmsize/core/host_class.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "llmsize/core/digest.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize {
namespace {

/// Hosts of one hardware differ by so much in memory that is free or set aside.
constexpr double alike_memory = 0.05;
/// The spread from which the probe calls a measurement unsure.
constexpr double alike_rate = 0.15;

/// The size that is sold nearest above what the kernel reports: eight steps to each power of two.
Bytes installed_size(Bytes total) {
  constexpr std::int64_t steps = 8;
  std::int64_t power = steps;
  while (power <= total.value() / 2) power *= 2;
  return align_up(total, power / steps);
}

std::string list_text(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += std::to_string(number) + ",";
  return text;
}

/// Lines of "name value": what the plan depends on and what does not vary between machines of one kind.
class Key {
 public:
  void add(const char* name, const std::string& value) {
    // A value's length is part of the line, so that no value can imitate another line.
    text_ += std::string(name) + " " + std::to_string(value.size()) + " " + value + "\n";
  }
  void add(const char* name, const Fact<int>& fact) {
    add(name, fact.known() ? std::to_string(*fact.value) : "?");
  }
  void add(const char* name, const Fact<std::string>& fact) { add(name, fact.value_or("?")); }
  void add(const char* name, const Fact<std::vector<int>>& fact) {
    add(name, fact.known() ? list_text(*fact.value) : "?");
  }
  void add_rate(const char* name, const Fact<BytesPerSecond>& rate) {
    add(name, rate.known() ? std::to_string(std::llround(rate.value->per_second())) : "?");
  }
  template <class T>
  void add_known(const char* name, const Fact<T>& fact) {
    add(name, std::string(fact.known() ? "known" : "?"));
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_processor(const Host& host, Key& key) {
  const CpuFacts& cpu = host.cpu;
  key.add("machine", host.platform.machine);
  key.add("cpu", cpu.model);
  key.add("cores", cpu.physical_cores);
  key.add("logical", cpu.logical_online);
  key.add("packages", cpu.packages);
  for (const auto& kind : cpu.kinds)
    key.add("kind", kind.name.value_or("?") + " " + std::to_string(kind.cores) + "x" +
                        std::to_string(kind.threads_per_core));
  for (const auto& flag : cpu.isa.value_or({"?"})) key.add("isa", flag);
  key.add("threads", host.effective.threads);
  key.add("allowed", host.limits.allowed_cpus);
}

std::string key_of(const Host& host) {
  Key key;
  key.add("memory", host.memory.total.known()
                        ? std::to_string(installed_size(*host.memory.total.value).value())
                        : std::string("?"));
  key.add_known("limit", host.limits.memory_max);
  key.add_known("effective", host.effective.memory);
  key.add_rate("bandwidth", host.memory.bandwidth);
  key.add_known("measured", host.memory.measured_bandwidth);
  add_processor(host, key);
  for (const auto& node : host.numa) {
    key.add("node", std::to_string(node.id) + " " + node.kind.value_or("?") + " " + list_text(node.cpus));
    key.add_known("node total", node.total);
  }
  for (const auto& gpu : host.gpus) {
    key.add("gpu", gpu.name + (gpu.unified ? " unified" : ""));
    key.add("backend", gpu.backend);
    key.add_rate("gpu bandwidth", gpu.bandwidth);
    key.add_known("gpu total", gpu.memory_total);
    key.add_known("gpu free", gpu.memory_free);
  }
  return key.text();
}

std::optional<double> best_read_rate(const Host& host) {
  std::optional<double> best;
  for (const auto& storage : host.storage)
    if (storage.read_rate.known()) best = std::max(best.value_or(0), storage.read_rate.value->per_second());
  return best;
}

/// What may differ a little within a class, in the same order for hosts of one key.
struct Amounts {
  std::vector<double> sizes, rates;
};

Amounts amounts_of(const Host& host) {
  Amounts amounts;
  const auto size = [&](const Fact<Bytes>& fact) {
    amounts.sizes.push_back(static_cast<double>(fact.value_or(Bytes()).value()));
  };
  size(host.effective.memory);
  size(host.memory.total);
  size(host.limits.memory_max);
  for (const auto& node : host.numa) size(node.total);
  for (const auto& gpu : host.gpus) {
    size(gpu.memory_total);
    size(gpu.memory_free);
  }
  amounts.rates.push_back(host.memory.measured_bandwidth.value_or(BytesPerSecond()).per_second());
  amounts.rates.push_back(best_read_rate(host).value_or(0));
  return amounts;
}

bool are_close(const std::vector<double>& a, const std::vector<double>& b, double share) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::abs(a[i] - b[i]) > share * std::max(a[i], b[i])) return false;
  return true;
}

bool are_alike(const Amounts& a, const Amounts& b) {
  return are_close(a.sizes, b.sizes, alike_memory) && are_close(a.rates, b.rates, alike_rate);
}

void take_least(const Fact<Bytes>& other, Fact<Bytes>& fact) {
  if (other.known() && fact.known() && *other.value < *fact.value) fact = other;
}
void take_most(const Fact<Bytes>& other, Fact<Bytes>& fact) {
  if (other.known() && fact.known() && *other.value > *fact.value) fact = other;
}

/// Lowers `smallest` to what `member` has, too. The total grows instead: what a plan keeps free is a share of
/// it, and what may be used is stated by itself.
void lower_to(const Host& member, Host& smallest) {
  take_most(member.memory.total, smallest.memory.total);
  take_most(member.limits.memory_max, smallest.limits.memory_max);
  if (member.effective.memory.known() && smallest.effective.memory.known() &&
      *member.effective.memory.value < *smallest.effective.memory.value) {
    smallest.effective.memory = member.effective.memory;
    smallest.effective.bound_by = member.effective.bound_by;
  }
  for (std::size_t i = 0; i < smallest.numa.size(); ++i)
    take_least(member.numa[i].total, smallest.numa[i].total);
  for (std::size_t i = 0; i < smallest.gpus.size(); ++i) {
    take_least(member.gpus[i].memory_total, smallest.gpus[i].memory_total);
    take_least(member.gpus[i].memory_free, smallest.gpus[i].memory_free);
  }
  if (member.memory.measured_bandwidth.value_or(BytesPerSecond()) <
      smallest.memory.measured_bandwidth.value_or(BytesPerSecond()))
    smallest.memory.measured_bandwidth = member.memory.measured_bandwidth;
  if (best_read_rate(member) < best_read_rate(smallest)) smallest.storage = member.storage;
}

/// "NVIDIA GeForce RTX 4090" as "rtx-4090": a label's characters, without words that say nothing.
std::string slug(const std::string& name) {
  static const std::set<std::string> silent = {"nvidia", "geforce", "amd",      "radeon",
                                               "intel",  "r",       "graphics", "corporation"};
  constexpr std::size_t longest = 24;
  std::string text, word;
  for (const char letter : lower_case(name) + " ") {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0) {
      word += letter;
      continue;
    }
    if (!word.empty() && silent.count(word) == 0) text += (text.empty() ? "" : "-") + word;
    word.clear();
  }
  text = text.substr(0, longest);
  while (!text.empty() && text.back() == '-') text.pop_back();
  return text.empty() ? "gpu" : text;
}

std::string id_of(const Host& host, const std::string& key) {
  constexpr std::size_t hash_bytes = 3;
  const Bytes installed = installed_size(host.memory.total.value_or(Bytes()));
  std::string id =
      "ram" + std::to_string(align_up(installed, gibibytes(1).value()).value() / gibibytes(1).value());
  std::vector<std::pair<std::string, int>> kinds;
  for (const auto& gpu : host.gpus) {
    const std::string kind = slug(gpu.name);
    if (kinds.empty() || kinds.back().first != kind) kinds.emplace_back(kind, 0);
    ++kinds.back().second;
  }
  // The first kind is enough for people; the hash has them all.
  if (!kinds.empty()) id += "-" + std::to_string(kinds.front().second) + "x-" + kinds.front().first;
  return id + "-" + hexadecimal(sha256(key), hash_bytes);
}

MachineClass class_of(const std::vector<Host>& hosts, const std::vector<std::size_t>& members) {
  MachineClass made;
  made.members = members;
  std::sort(made.members.begin(), made.members.end());
  made.smallest = hosts[made.members.front()];
  for (const std::size_t member : made.members) lower_to(hosts[member], made.smallest);
  const auto memory = [&](std::size_t member) { return hosts[member].effective.memory.value_or(Bytes()); };
  const auto less = [&](std::size_t a, std::size_t b) { return memory(a) < memory(b); };
  made.tightest = *std::min_element(made.members.begin(), made.members.end(), less);
  made.least_memory = memory(made.tightest);
  made.most_memory = memory(*std::max_element(made.members.begin(), made.members.end(), less));
  return made;
}

/// The roomiest host leads, and those alike follow it; of the rest the same again.
std::vector<std::vector<std::size_t>> clusters(const std::vector<Host>& hosts,
                                               std::vector<std::size_t> alike) {
  std::stable_sort(alike.begin(), alike.end(), [&](std::size_t a, std::size_t b) {
    return hosts[a].effective.memory.value_or(Bytes()) > hosts[b].effective.memory.value_or(Bytes());
  });
  std::vector<std::vector<std::size_t>> found;
  std::vector<Amounts> leaders;
  for (const std::size_t host : alike) {
    const Amounts amounts = amounts_of(hosts[host]);
    const auto leader = std::find_if(leaders.begin(), leaders.end(),
                                     [&](const Amounts& of) { return are_alike(of, amounts); });
    if (leader != leaders.end()) {
      found[static_cast<std::size_t>(leader - leaders.begin())].push_back(host);
      continue;
    }
    leaders.push_back(amounts);
    found.push_back({host});
  }
  return found;
}

}  // namespace

std::vector<MachineClass> machine_classes(const std::vector<Host>& hosts) {
  std::map<std::string, std::vector<std::size_t>> by_key;
  for (std::size_t i = 0; i < hosts.size(); ++i) by_key[key_of(hosts[i])].push_back(i);
  std::vector<MachineClass> classes;
  std::map<std::string, int> uses;
  for (const auto& [key, alike] : by_key)
    for (const auto& members : clusters(hosts, alike)) {
      MachineClass made = class_of(hosts, members);
      made.id = id_of(hosts[alike.front()], key);
      if (const int use = ++uses[made.id]; use > 1) made.id += "-" + std::to_string(use);
      made.smallest.name = "class " + made.id;
      classes.push_back(std::move(made));
    }
  std::sort(classes.begin(), classes.end(),
            [](const MachineClass& a, const MachineClass& b) { return a.id < b.id; });
  return classes;
}

std::optional<std::string> contradiction_in(const Host& host) {
  const auto above = [](const Fact<Bytes>& part, const Fact<Bytes>& whole) {
    return part.known() && whole.known() && *part.value > *whole.value;
  };
  const auto sizes = [](const char* what, const Fact<Bytes>& part, const Fact<Bytes>& whole) {
    return std::string(what) + ": " + size_text(*part.value) + " of " + size_text(*whole.value);
  };
  // Where GPUs' memory is among the nodes, the kernel counts what is free there, too.
  const bool counts_gpus =
      std::any_of(host.numa.begin(), host.numa.end(), [](const NumaNode& node) { return node.is_gpu(); });
  if (!counts_gpus && above(host.memory.available, host.memory.total))
    return sizes("more memory is available than there is", host.memory.available, host.memory.total);
  if (above(host.effective.memory, host.memory.total))
    return sizes("more memory may be used than there is", host.effective.memory, host.memory.total);
  if (above(host.effective.memory, host.limits.memory_max))
    return sizes("more memory may be used than its limit allows", host.effective.memory,
                 host.limits.memory_max);
  for (const auto& gpu : host.gpus)
    if (above(gpu.memory_free, gpu.memory_total))
      return sizes(("more of " + gpu.name + "'s memory is free than it has").c_str(), gpu.memory_free,
                   gpu.memory_total);
  std::set<int> nodes;
  Bytes in_nodes;
  for (const auto& node : host.numa) {
    if (!nodes.insert(node.id).second) return "two NUMA nodes have the number " + std::to_string(node.id);
    if (node.is_system()) in_nodes += node.total.value_or(Bytes());
  }
  // Nodes include what firmware keeps, which is far below a tenth.
  constexpr std::int64_t parts = 10, at_most = 11;
  if (nodes.size() > 1 && host.memory.total.known() && in_nodes * parts > *host.memory.total.value * at_most)
    return "its NUMA nodes hold " + size_text(in_nodes) + " of a total of " +
           size_text(*host.memory.total.value);
  return std::nullopt;
}

std::vector<std::pair<std::size_t, std::size_t>> duplicate_hosts(const std::vector<Host>& hosts) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  std::map<std::string, std::size_t> by_id, by_name;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const Fact<std::string>& id = hosts[i].identity.machine_id;
    Fact<std::string> name = hosts[i].identity.host_name;
    // A name that every unnamed machine has.
    if (name.value_or("").starts_with("localhost")) name.value.reset();
    std::optional<std::size_t> earlier;
    if (id.known())
      if (const auto same = by_id.find(*id.value); same != by_id.end()) earlier = same->second;
    if (!earlier && name.known())
      if (const auto same = by_name.find(*name.value); same != by_name.end())
        if (!id.known() || !hosts[same->second].identity.machine_id.known()) earlier = same->second;
    if (earlier) found.emplace_back(i, *earlier);
    if (id.known()) by_id.emplace(*id.value, i);
    if (name.known()) by_name.emplace(*name.value, i);
  }
  return found;
}

}  // namespace llmsize
