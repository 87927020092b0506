#include "llmsize/probe/identity.hpp"

#include "llmsize/core/digest.hpp"
#include "llmsize/probe/confidential.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Tells llmsize's ids from those that other programs derive; arbitrary, and never to change.
constexpr std::string_view application = "c81e0aaf8b525a65949b88da0d43b84d";
constexpr std::size_t id_bytes = 16;

/// The bytes of 32 hexadecimal digits; nothing for other text.
std::optional<std::string> bytes_of(std::string_view text) {
  if (text.size() != 2 * id_bytes || text.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(parse_hexadecimal(text.substr(i, 2)).value_or(0));
  return bytes;
}

}  // namespace

std::optional<std::string> application_machine_id(std::string_view machine_id) {
  const auto key = bytes_of(trimmed(machine_id));
  if (!key || key->find_first_not_of('\0') == std::string::npos) return std::nullopt;
  Digest digest = hmac_sha256(*key, *bytes_of(application));
  // The version and variant of a random UUID (RFC 9562), as systemd sets them.
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0fU) | 0x40U);
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3fU) | 0x80U);
  return hexadecimal(digest, id_bytes);
}

void gather_identity(const Surroundings& from, Host& host) {
  const char* left_out_by = "left out (--no-identity)";
  auto& identity = host.identity;
  identity.host_name = unknown<std::string>("no file names this host");
  for (const char* path : {"/proc/sys/kernel/hostname", "/etc/hostname"})
    if (const auto name = read_trimmed(from.files, path);
        name && !name->empty() && !identity.host_name.known())
      identity.host_name = *name == left_out ? unknown<std::string>(left_out_by) : reported(*name, path);
  const std::string path = "/etc/machine-id";
  identity.machine_id = unknown<std::string>(path + " holds no id");
  const auto text = read_trimmed(from.files, path);
  if (!text) return;
  if (*text == left_out) identity.machine_id = unknown<std::string>(left_out_by);
  // A recording holds the hash in place of the id.
  const auto id =
      text->starts_with(hashed) ? std::optional(text->substr(hashed.size())) : application_machine_id(*text);
  if (id && bytes_of(*id)) identity.machine_id = derived(*id, path + ", hashed for llmsize");
}

}  // namespace llmsize::probe
