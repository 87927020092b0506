// Compares the tensors that architectures' templates give with those of small models that the reference
// engine recorded, where LLMSIZE_SHARED names the folder that holds them.
#include <cstdlib>

#include <catch2/catch.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/tensor_template.hpp"
#include "support/small_model.hpp"

using namespace llmsize;

namespace {

/// Scales of quantized files, which no template names.
bool is_extra(const std::string& name) {
  return name.find(".scale") != std::string::npos || name.find(".input_scale") != std::string::npos;
}

/// Every optional tensor of a template, as the small models have them.
Hyperparameters with_all_features(Hyperparameters hyper) {
  for (const char* feature : {"attention_bias", "attention_output_bias", "qk_norm", "expert_bias"})
    hyper.set("feature." + std::string(feature), std::int64_t{1});
  return hyper;
}

}  // namespace

TEST_CASE("Templates give the tensors of recorded models in their shapes") {
  if (std::getenv("LLMSIZE_SHARED") == nullptr) {
    WARN("SKIPPED: templates against recorded models; set LLMSIZE_SHARED to run it");
    return;
  }
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = *catalog::load_tensor_types(catalogs);
  std::string different;
  int compared = 0;
  for (const auto& name : test::small_model_names()) {
    const auto model = test::small_model(name, types);
    const auto architecture = catalog::load_architecture(catalogs, model.architecture);
    REQUIRE(architecture);
    const auto tensors = expand_tensors(*architecture, with_all_features(model.hyperparameters));
    if (!tensors) {
      // One small model is a mixture's architecture without experts, as no real model is.
      if (name == "nemotron_h_moe-dense") continue;
      different += name + ": " + tensors.error().message + '\n';
      continue;
    }
    const TensorIndex index(model.tensors);
    for (const auto& tensor : *tensors) {
      const auto* recorded = index.find(tensor.name);
      if (recorded == nullptr || is_extra(tensor.name)) continue;
      ++compared;
      if (recorded->dimensions != tensor.dimensions) different += name + ": " + tensor.name + '\n';
    }
  }
  WARN("equal shapes: " << compared);
  CHECK(compared > 2000);
  CHECK(different == "");
}
