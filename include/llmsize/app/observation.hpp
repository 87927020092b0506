#pragma once
#include <string>

#include "llmsize/app/probe_command.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/probe/recorded_answers.hpp"
#include "llmsize/probe/recording.hpp"
#include "llmsize/probe/rooted_files.hpp"

namespace llmsize::app {

/// One look at a host: this machine, or the recorded one below --root. With --dump or --no-identity the facts
/// are made of what a recording keeps, so that its replay gives the same.
class Observation {
 public:
  Observation(const Services& services, const ProbeOptions& options);

  /// The facts of all sources.
  Host look();
  /// Measurements: those that this user saved on this machine, or those that a recording keeps.
  void add_measurements(Host& host);
  /// Writes the recording with what `host` has measured. Errors: write_failed.
  Result<void> write(const Host& host);
  /// How many files it has, and how to use it.
  [[nodiscard]] std::string summary() const;

 private:
  Host look_here();
  Host look_at_recording();
  [[nodiscard]] bool records() const { return !options_.dump.empty() || options_.no_identity; }

  const Services& services_;
  const ProbeOptions& options_;
  probe::RecordingFiles recording_;
  probe::RootedFiles files_;
  std::size_t warnings_of_sources_ = 0;  ///< Those after them came with the measurements.
};

}  // namespace llmsize::app
