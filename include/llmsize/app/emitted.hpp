#pragma once
#include <string>

#include "llmsize/app/outcome.hpp"
#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/serving.hpp"
#include "llmsize/emit/emitters.hpp"

namespace llmsize::app {

/// The format of --emit. Errors: usage for a name that is none.
Result<const emit::Emitter*> emitter_named(const std::string& name);

/// The plan in the format asked for: on stdout, or as a folder of which the names are printed. Where no
/// server is planned there is nothing to configure, and a note says so. `status` is the process's, which the
/// plan decided.
Result<Outcome> emitted(const Services& services, const PlanOptions& options, const FleetDeployment& fleet,
                        int status);

}  // namespace llmsize::app
