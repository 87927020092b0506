#pragma once
#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"

namespace llmsize::app {

/// What the catalogs know of the host's processor and GPUs by their exact names, where the machine itself
/// does not state it: theoretical memory bandwidth, a GPU's bandwidth and compute rates.
void add_catalog_facts(const Services& services, Host& host);

}  // namespace llmsize::app
