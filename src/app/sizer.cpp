#include "llmsize/app/sizer.hpp"

#include <functional>

namespace llmsize::app {
namespace {

/// Answers are kept with their tensor tables, about 150 bytes a tensor: this many tensors are some 30 MB.
constexpr std::size_t most_kept_tensors = 200'000;

bool scratch_can_be_shared(const SizingRequest& request) {
  return request.offload.devices.empty() && !request.companions.drafts();
}

}  // namespace

std::size_t Sizer::Hash::operator()(const SizingRequest& request) const {
  const std::hash<std::string> text;
  const std::hash<std::int64_t> number;
  std::size_t hash = text(request.model);
  const auto mix = [&](std::size_t other) { hash = hash * 31 + other; };
  mix(text(request.quant));
  for (const auto& value : {request.run.context_tokens, request.run.parallel, request.run.ubatch_tokens})
    mix(number(value.value_or(-1)));
  mix(number(request.offload.gpu_layers));
  mix(number(request.offload.cpu_expert_layers));
  mix(request.offload.devices.size());
  return hash;
}

const Scratch* Sizer::known_scratch(const SizingRequest& request) const {
  const auto runs = scratches_.find(request.model);
  if (runs == scratches_.end()) return nullptr;
  for (const auto& [run, scratch] : runs->second)
    if (run == request.run) return &scratch;
  return nullptr;
}

Result<std::shared_ptr<const Sizing>> Sizer::size(const SizingRequest& request) {
  if (const auto known = answers_.find(request); known != answers_.end()) return known->second;
  const bool shared = scratch_can_be_shared(request);
  const Scratch* const scratch = shared ? known_scratch(request) : nullptr;
  auto sizing = size_model(services_, request, scratch);
  if (!sizing) return tl::unexpected(sizing.error());
  if (shared && scratch == nullptr && sizing->footprint.compute.known)
    scratches_[request.model].emplace_back(request.run, sizing->footprint.scratch);
  auto answer = std::make_shared<const Sizing>(*std::move(sizing));
  keep(request, answer);
  return answer;
}

void Sizer::keep(const SizingRequest& request, const Answer& answer) {
  kept_tensors_ += answer->model.tensors.size();
  const auto kept = answers_.emplace(request, answer).first;
  order_.push_back(&kept->first);
  while (kept_tensors_ > most_kept_tensors && order_.size() > 1) {
    const auto oldest = answers_.find(*order_.front());
    order_.pop_front();
    kept_tensors_ -= oldest->second->model.tensors.size();
    answers_.erase(oldest);
  }
}

}  // namespace llmsize::app
