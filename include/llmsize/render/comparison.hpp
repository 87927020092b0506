#pragma once
#include <string>
#include <vector>

#include "llmsize/core/comparison.hpp"

namespace llmsize::render {

/// Models, quants or settings side by side: one column each.
std::string comparison_text(const std::vector<ComparedReport>& columns);
/// llmsize.compare/1: the whole estimate of each.
std::string comparison_json(const std::vector<ComparedReport>& columns);

/// One model on several hosts: one line each, those that hold it first.
std::string hosts_text(const std::vector<ComparedReport>& hosts);
/// llmsize.hosts/1.
std::string hosts_json(const std::vector<ComparedReport>& hosts);

}  // namespace llmsize::render
