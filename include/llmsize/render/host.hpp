#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tier.hpp"

namespace llmsize::render {

/// llmsize.probe/1, as docs/schema/probe.schema.json says.
std::string host_json(const Host& host, const std::optional<Tier>& tier);

/// The inverse of `host_json`. Keys that are missing or null are unknown; extra keys are ignored. Errors:
/// malformed, naming the JSON pointer.
Result<Host> host_from_json(std::string_view text, const std::string& name);

/// `host` with facts that the user states by their names in that document, each
/// "limits.memory_max_bytes=1024" or "gpus.0.name=…", with the basis "override". Errors: usage for a name
/// that is not there or a value of another kind.
Result<Host> with_stated_facts(const Host& host, const std::vector<std::string>& facts);

/// The page for people: a sentence with what bounds this host, then tables, then warnings with remedies.
/// `explain` adds where each fact comes from.
std::string host_text(const Host& host, const std::optional<Tier>& tier, bool explain);

/// The same as tables in Markdown, for issue reports.
std::string host_markdown(const Host& host, const std::optional<Tier>& tier);

/// What differs between two saved probes: a line per key, or llmsize.probe_diff/1. Errors: malformed.
Result<std::string> host_difference(std::string_view before, std::string_view after, bool json);

}  // namespace llmsize::render
