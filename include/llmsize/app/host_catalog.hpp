#pragma once
#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/probe/overrides.hpp"

namespace llmsize::app {

/// What the catalogs know of the host's processor and GPUs by their exact names, where the machine itself
/// does not state it: theoretical memory bandwidth, a GPU's bandwidth and compute rates.
void add_catalog_facts(const Services& services, Host& host);

/// What the catalog knows of the GPUs that the user names: memory, vendor, backend. Errors: not_found with
/// similar names where the catalog lacks one and the user states no memory for it.
Result<void> describe_stated_gpus(const Services& services, const probe::HostOverrides& overrides,
                                  Host& host);

}  // namespace llmsize::app
