#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace llmsize::probe {

/// An id of the machine that only llmsize knows it by. machine-id(5) asks to keep the id itself confidential
/// and to publish HMAC-SHA256 of an application's own id with the machine's as key instead: the same as
/// `systemd-id128 machine-id --app-specific=c81e0aaf8b525a65949b88da0d43b84d`. Nothing for text that is no
/// id.
std::optional<std::string> application_machine_id(std::string_view machine_id);

}  // namespace llmsize::probe
