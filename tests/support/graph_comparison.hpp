#pragma once
#include <string>

#include "llmsize/core/graph_allocator.hpp"

namespace llmsize::test {

/// Where two graphs first differ, with the nodes around; empty where both are the same node by node and take
/// the same inputs. Weights and caches, which have no place in a graph's memory, are not compared.
std::string first_difference(const TensorGraph& ours, const TensorGraph& engine);

}  // namespace llmsize::test
