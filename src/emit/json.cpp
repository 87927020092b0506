#include "llmsize/emit/emitters.hpp"

namespace llmsize::emit {

std::vector<EmittedFile> emit_json(const Deployment& deployment) {
  return {{"plan.json", deployment.document}};
}

}  // namespace llmsize::emit
