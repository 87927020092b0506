#include "llmsize/probe/confidential.hpp"

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/probe/identity.hpp"
#include "llmsize/probe/mounts.hpp"
#include "llmsize/probe/smbios.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// The lines that begin with one of these words.
std::string lines_with(const std::string& content, std::initializer_list<std::string_view> words) {
  std::string kept;
  for (const auto line : lines_of(content))
    for (const auto word : words)
      if (line.starts_with(word)) kept += fmt::format("{}\n", line);
  return kept;
}

std::string name_of_container(const std::string& environ) {
  // Variables are separated by NUL bytes.
  std::string kept;
  for (std::size_t at = 0; at < environ.size();) {
    const auto end = std::min(environ.find('\0', at), environ.size());
    const std::string variable = environ.substr(at, end - at);
    if (variable.starts_with("container=")) kept += variable + '\0';
    at = end + 1;
  }
  return kept;
}

/// Mount options can name users and folders, and only those of control groups say something here.
std::string without_mount_options(const std::string& mountinfo) {
  std::string kept;
  for (const auto line : lines_of(mountinfo)) {
    const auto fields = fields_of(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.end() - dash < 3) continue;
    const auto source = dash[2];
    if (dash[1].starts_with("cgroup"))
      kept += fmt::format("{}\n", line);
    else
      kept += fmt::format("{}{} -\n", line.substr(0, static_cast<std::size_t>(source.data() - line.data())),
                          without_user(std::string(source)));
  }
  return kept;
}

/// The same for /proc/mounts, whose options are the fourth of six fields.
std::string without_options_of_mounts(const std::string& mounts) {
  std::string kept;
  for (const auto line : lines_of(mounts)) {
    const auto fields = fields_of(line);
    if (fields.size() < 4) continue;
    const auto options = fields[2].starts_with("cgroup") ? fields[3] : "-";
    kept +=
        fmt::format("{} {} {} {} 0 0\n", without_user(std::string(fields[0])), fields[1], fields[2], options);
  }
  return kept;
}

/// Raspberry Pi's and s390's kernels print serial numbers.
std::string without_serial_lines(const std::string& cpuinfo) {
  constexpr std::string_view identification = "identification = ";
  std::string kept;
  for (const auto line : lines_of(cpuinfo)) {
    if (line.starts_with("Serial")) continue;
    std::string text(line);
    const auto begin = text.find(identification);
    for (auto at = begin == std::string::npos ? text.size() : begin + identification.size();
         at < text.size() && text[at] != ','; ++at)
      text[at] = '0';
    kept += text + "\n";
  }
  return kept;
}

/// "Linux version 6.1.0 (builder@host) …": less who built the kernel, where and how.
std::string without_builder(const std::string& version) {
  constexpr std::size_t words_of_release = 3;
  constexpr std::string_view sandbox = "gVisor";
  auto words = fields_of(version);
  words.resize(std::min(words.size(), words_of_release));
  std::string kept = fmt::format("{}", fmt::join(words, " "));
  if (version.find(sandbox) != std::string::npos && kept.find(sandbox) == std::string::npos)
    kept += fmt::format(" {}", sandbox);
  return kept + "\n";
}

struct Rule {
  std::string_view ending;
  std::string (*kept)(const std::string& content);
};
constexpr Rule rules[] = {
    {"/environ", name_of_container},
    {"/mountinfo", without_mount_options},
    {"/mounts", without_options_of_mounts},
    {"/cpuinfo", without_serial_lines},
    {"/proc/version", without_builder},
    {"/status",
     [](const std::string& text) {
       return lines_with(text, {"Cpus_allowed_list", "Mems_allowed_list", "CapEff"});
     }},
    {"/proc/sysinfo", [](const std::string& text) { return lines_with(text, {"VM00 Control Program"}); }},
    // Of a GPU, beside its UUID.
    {"/information", [](const std::string& text) { return lines_with(text, {"Model"}); }},
    {"/raw", [](const std::string& structure) { return without_serial_numbers(structure); }},
    {"/machine-id",
     [](const std::string& text) {
       const auto id = trimmed(text).starts_with(hashed) ? std::string(trimmed(text).substr(hashed.size()))
                                                         : application_machine_id(text).value_or("");
       return fmt::format("{}{}\n", hashed, id);
     }},
};

}  // namespace

std::string without_secrets(const std::string& path, const std::string& content, bool keeps_identity) {
  if (!keeps_identity && (path.ends_with("/machine-id") || path.ends_with("/hostname")))
    return fmt::format("{}\n", left_out);
  for (const auto& rule : rules)
    if (path.ends_with(rule.ending)) return rule.kept(content);
  return content;
}

}  // namespace llmsize::probe
