#pragma once
#include <string>
#include <vector>

#include "llmsize/core/model.hpp"
#include "llmsize/core/run.hpp"
#include "support/recorded_graph.hpp"

namespace llmsize::test {

/// Names of the small models whose graphs the reference engine recorded: "llama-dense".
std::vector<std::string> small_model_names();

/// Such a model: from its file's header where one was recorded below LLMSIZE_SHARED; else with the
/// hyperparameters of tests/data/small_models.json and those tensors that its recorded graph uses, whose
/// shapes follow from their uses. Throws std::runtime_error where neither exists.
Model small_model(const std::string& name, const TypeTable& types);

/// The model's hyperparameters as tests/data/small_models.json has them, with its "features" under
/// "feature.".
Model described_small_model(const std::string& name);

/// What the engine reserved for the three recorded graphs of a model that tests/data/small_models.json
/// describes, where it says so: the file stands on its own, without LLMSIZE_SHARED.
struct RecordedSizes {
  std::string name;
  std::vector<std::int64_t> reserved;
};
std::vector<RecordedSizes> described_small_models();

/// The first, second or third of the three graphs recorded for the model.
RecordedGraph recorded_graph(const std::string& name, int number);

/// The settings of the three graphs recorded per model.
RunRequest recorded_settings(const std::string& architecture, int number);

}  // namespace llmsize::test
