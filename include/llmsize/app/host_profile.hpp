#pragma once
#include <string>
#include <string_view>

#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// Where this user's measurements of this host are kept: $XDG_DATA_HOME (~/.local/share) /llmsize/host.json.
/// Empty where neither variable says where.
std::string host_profile_path(const Environment& environment);

/// Adds what an earlier `probe --bench … --save` measured, if it was this machine: the same processor, as
/// many CPUs and, to a twentieth, as much memory. A damaged file or another machine's becomes a warning.
void apply_host_profile(const Services& services, Host& host);

/// What a recording keeps of measurements, saved or just made, and of the warnings that came with them: those
/// from `first_warning` on. Empty where there are none.
std::string measurements_text(const Host& host, std::size_t first_warning);

/// Its inverse. A damaged text becomes a warning.
void apply_recorded_measurements(std::string_view text, Host& host);

/// Keeps `host` with its measurements. Errors: write_failed; usage where nothing was measured.
Result<std::string> save_host_profile(const Services& services, const Host& host);

}  // namespace llmsize::app
