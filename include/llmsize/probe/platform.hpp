#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// The distribution's name for people, from os-release.
std::optional<std::string> parse_os_release(std::string_view text);

/// Whether this is Xen's control domain, which runs beside the hypervisor on the bare machine and sees its
/// bit.
bool is_xen_control_domain(const FileReader& files);

}  // namespace llmsize::probe
