#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/core/cache_rule.hpp"
#include "llmsize/core/expression.hpp"
#include "llmsize/core/graph_rule.hpp"
#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/tensor_template.hpp"

namespace llmsize {

/// How a Hugging Face config.json becomes hyperparameters.
struct ConfigRule {
  /// Config key (a dotted path) -> hyperparameters: "key", or "key=TEXT" for 1 where the value is TEXT.
  std::map<std::string, std::vector<std::string>> keys;
  /// Hyperparameters as arithmetic over others, evaluated per layer.
  std::vector<std::pair<std::string, Expression>> derived;
};

/// An architecture as data/architectures/<id>.json describes it: what tensors a model of it has, what it
/// caches, and the ordered blocks of its graph. Operations are code (core/graph); this only names them.
struct Architecture {
  std::string id;
  std::string name;
  std::string source;
  std::string as_of;
  std::string min_engine_version;
  std::vector<TensorTemplate> tensors;  ///< Empty: only files can be sized.
  CacheRule cache;
  GraphRule graph;
  std::vector<std::string>
      config_architectures;  ///< Values of "architectures" in a Hugging Face config.json.
  ConfigRule config;
  /// Hyperparameters that models described by a catalog entry or a config.json have unless they say
  /// otherwise.
  Hyperparameters defaults;
};

}  // namespace llmsize
