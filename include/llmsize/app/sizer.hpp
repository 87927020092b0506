#pragma once
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/app/sizing.hpp"

namespace llmsize::app {

/// `size_model` for many questions in one process: what was asked before is answered from memory, and a
/// model's scratch, which does not depend on tensor types, is computed once for each run. Answers are those
/// of `size_model`; the oldest are forgotten when they take too much memory.
class Sizer {
 public:
  explicit Sizer(const Services& services) : services_(services) {}

  /// Errors: those of `size_model`; they are not remembered.
  Result<std::shared_ptr<const Sizing>> size(const SizingRequest& request);

 private:
  struct Hash {
    std::size_t operator()(const SizingRequest& request) const;
  };
  using Answer = std::shared_ptr<const Sizing>;
  void keep(const SizingRequest& request, const Answer& answer);
  [[nodiscard]] const Scratch* known_scratch(const SizingRequest& request) const;

  const Services& services_;
  std::unordered_map<SizingRequest, Answer, Hash> answers_;
  std::deque<const SizingRequest*> order_;  ///< Keys of `answers_`, the oldest first.
  std::size_t kept_tensors_ = 0;
  std::unordered_map<std::string, std::vector<std::pair<RunRequest, Scratch>>> scratches_;  ///< By model.
};

}  // namespace llmsize::app
