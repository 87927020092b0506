#include "llmsize/core/acceleration.hpp"

#include <algorithm>
#include <cmath>

namespace llmsize {

bool applies(const AccelerationMethod& method, const AccelerationSubject& subject) {
  const auto met = [&](const std::string& need) {
    return (need == "next_token_layers" && subject.next_token_layers) ||
           (need == "dense" && !subject.experts) || (need == "experts" && subject.experts) ||
           (need == "gpu" && subject.on_gpu) || (need == "cpu" && !subject.on_gpu);
  };
  return std::all_of(method.needs.begin(), method.needs.end(), met);
}

double expected_tokens(double acceptance, int draft_tokens) {
  const double a = std::clamp(acceptance, 0.0, 1.0);
  const int k = std::max(0, draft_tokens);
  if (a >= 1) return k + 1;
  return (1 - std::pow(a, k + 1)) / (1 - a);
}

double speculative_speed_up(double acceptance, int draft_tokens, double verify_cost, double draft_cost) {
  const double cost = verify_cost + std::max(0, draft_tokens) * draft_cost;
  return cost > 0 ? expected_tokens(acceptance, draft_tokens) / cost : 0;
}

double experts_touched(std::int64_t count, std::int64_t used, int draft_tokens) {
  if (count <= 0) return 0;
  const auto n = static_cast<double>(count);
  const double k = std::clamp(static_cast<double>(used), 0.0, n);
  return n * (1 - std::pow(1 - k / n, std::max(0, draft_tokens) + 1));
}

}  // namespace llmsize
