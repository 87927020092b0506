#pragma once
#include <functional>
#include <string>
#include <vector>

#include "llmsize/core/serving.hpp"

namespace llmsize::emit {

// What the formats share: command lines, quoting, and which servers take turns.

/// One option with its value, as words of a command line.
using Words = std::vector<std::string>;

/// The options of a server, each with its value: model, memory, then alias, the `address` it binds to,
/// `port`.
std::vector<Words> option_words(const Server& server, const std::string& address, const std::string& port);

/// Words of numactl that place a server; empty on machines with one node.
Words placement_words(const Server& server);

/// `word` for a POSIX shell: as it is where nothing in it is special, else in single quotes.
std::string shell_quoted(const std::string& word);
/// `word` in double quotes for YAML.
std::string yaml_quoted(const std::string& word);

/// One line for people: model, quant, memory, the file that is expected and its size.
std::string description(const Server& server);

/// Pools that have WARM servers, in order of appearance: each is one group of which one runs at a time.
std::vector<std::string> warm_groups(const Deployment& deployment);
/// The servers of one group.
std::vector<const Server*> warm_servers(const Deployment& deployment, const std::string& pool);
/// HOT servers in the plan's order.
std::vector<const Server*> hot_servers(const Deployment& deployment);

/// What a group is called: "warm-ram", "warm-gpu0-gpu1", as names of units, services and files may be.
std::string warm_name(const std::string& pool);
/// Preset file of a WARM group for llama-server's router, and its name.
std::string preset_name(const std::string& pool);
std::string preset(const Deployment& deployment, const std::string& pool);
/// The router's own options: presets from `preset_path`, one model at a time.
std::vector<Words> router_words(const std::string& preset_path, const std::string& address,
                                std::int64_t port);
/// Whether `word` is the name of a preset file among a router's options.
bool is_preset(const Words& option, const std::string& word);
/// The port after the servers' own, one per group.
std::int64_t router_port(const Deployment& deployment, std::size_t group);
/// What the largest server of a group takes of the host's memory.
Bytes peak_host_memory(const std::vector<const Server*>& servers);

}  // namespace llmsize::emit
