#pragma once
#include <string>
#include <vector>

#include "llmsize/emit/emitters.hpp"

namespace llmsize::emit {

/// Label that says which class a node is of.
inline constexpr const char* class_label = "llmsize.dev/class";

/// The value of that label: the class's id, "planned" for a single host.
std::string class_value(const HostClass& hosts);

/// A name for Kubernetes of words joined with dashes: lower case, at most 63 characters, the end replaced by
/// a checksum where there are more.
std::string object_name(const std::vector<std::string>& words);

/// Commands that label the nodes, and the DaemonSet that probes them with the script that collects what it
/// says.
std::vector<EmittedFile> node_files(const FleetDeployment& fleet);

}  // namespace llmsize::emit
