#include "llmsize/app/observation.hpp"

#include <fmt/format.h>

#include "llmsize/app/host_profile.hpp"
#include "llmsize/probe/probe.hpp"

namespace llmsize::app {
namespace {

/// Where a recorded tree keeps measurements, as a saved probe with nothing else in it.
constexpr const char* measurements_path = "/.llmsize/measurements.json";

}  // namespace

Observation::Observation(const Services& services, const ProbeOptions& options)
    : services_(services),
      options_(options),
      recording_(services.files, probe::without_slashes_at_end(options.root), !options.no_identity),
      files_(records() ? static_cast<const FileReader&>(recording_) : services.files, options.root) {}

Host Observation::look_here() {
  if (!records() || services_.system == nullptr)
    return probe::gather({records() ? static_cast<const FileReader&>(files_) : services_.files,
                          services_.system, services_.commands, &services_.environment, options_.model_folder,
                          nullptr, options_.no_identity});
  const probe::AnswerRecorder recorder(*services_.system, services_.commands, services_.environment);
  Host host = probe::gather({files_, &recorder.system(), recorder.commands(), &recorder.environment(),
                             options_.model_folder, &recorder.answers(), options_.no_identity});
  recording_.add(probe::recorded_answers_path, recorder.answers().text());
  return host;
}

Host Observation::look_at_recording() {
  const auto text = files_.read_text(probe::recorded_answers_path);
  if (!text)
    return probe::gather(
        {files_, nullptr, nullptr, nullptr, options_.model_folder, nullptr, options_.no_identity});
  const probe::AnswerReplay replay{probe::Answers(*text)};
  Host host = probe::gather({files_, &replay.system(), &replay.commands(), &replay.environment(),
                             options_.model_folder, &replay.answers(), options_.no_identity});
  recording_.add(probe::recorded_answers_path, replay.answers().text());
  return host;
}

Host Observation::look() {
  return options_.root.empty() ? look_here() : look_at_recording();
}

void Observation::add_measurements(Host& host) {
  warnings_of_sources_ = host.warnings.size();
  if (options_.root.empty()) return apply_host_profile(services_, host);
  if (const auto text = files_.read_text(measurements_path)) apply_recorded_measurements(*text, host);
}

Result<void> Observation::write(const Host& host) {
  if (auto text = measurements_text(host, warnings_of_sources_); !text.empty())
    recording_.add(measurements_path, std::move(text));
  return services_.writer.write_whole(options_.dump, recording_.archive());
}

std::string Observation::summary() const {
  return fmt::format(
      "Recorded {} files in {}. Unpack it into a folder and replay it with llmsize probe --root FOLDER.",
      recording_.count(), options_.dump);
}

}  // namespace llmsize::app
