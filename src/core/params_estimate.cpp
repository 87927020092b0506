#include "llmsize/core/params_estimate.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace llmsize {
namespace {

/// The weights' interval is the middle half of the neighbours' bytes per parameter, so that an odd neighbour
/// (rows that divide badly, an outsized vocabulary) does not stretch it, widened to either side by half that
/// half's width and by this many bits per weight. Both chosen by leave-one-out over the catalog
/// (docs/METHOD.md, "The params interval").
constexpr double weights_reach = 0.5;
constexpr double weights_margin_bits = 0.15;
/// From four bits per weight up a dense model's interval is never wider than this share to either side:
/// leave-one-out shows that nine models in ten lie inside all the same. Below, what the vocabulary's tensors
/// take differs too much between small models, and a narrow interval would miss.
constexpr double widest_weights_share = 0.049;
constexpr double capped_from_bits = 4;
/// KV grows about as the square root of the size: depth and width grow together, and of the width only the
/// heads' number and not the key/value heads' follow.
constexpr double context_exponent = 0.5;
/// The context's interval is all the neighbours', widened by this factor to either side.
constexpr double context_margin = 1.5;

double ratio(ParamCount a, ParamCount b) {
  return static_cast<double>(a.value()) / static_cast<double>(b.value());
}

/// `sorted`'s value at `share` of the way from first to last, interpolated.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - static_cast<double>(below));
}

std::optional<Bytes> bytes(double value) {
  if (!(value >= 0) || value >= static_cast<double>(Bytes::highest)) return std::nullopt;
  return Bytes(static_cast<std::int64_t>(value));
}

std::optional<SizedPart> part(double low, double middle, double high, std::string source) {
  const auto size = bytes(middle), least = bytes(low), most = bytes(high);
  if (!size || !least || !most) return std::nullopt;
  return SizedPart{*size, *least, *most, Basis::derived, std::move(source)};
}

std::optional<SizedPart> weights_part(const ParamsRequest& request,
                                      const std::vector<ParamsNeighbour>& neighbours,
                                      Bytes ParamsNeighbour::*size, const std::string& source) {
  std::vector<double> per_parameter;
  for (const auto& neighbour : neighbours)
    per_parameter.push_back(static_cast<double>((neighbour.*size).value()) /
                            static_cast<double>(neighbour.total.value()));
  std::sort(per_parameter.begin(), per_parameter.end());
  const auto parameters = static_cast<double>(request.total.value());
  const double lower = quantile(per_parameter, 0.25), upper = quantile(per_parameter, 0.75);
  const double median = quantile(per_parameter, 0.5);
  const double centre = (lower + upper) / 2;
  double half_width = (0.5 + weights_reach) * (upper - lower) + weights_margin_bits / 8;
  if (!request.active && median >= capped_from_bits / 8)
    half_width = std::min(half_width, widest_weights_share * median);
  const double low = std::max(0.0, centre - half_width), high = centre + half_width;
  return part(low * parameters, std::clamp(median, low, high) * parameters, high * parameters, source);
}

std::optional<SizedPart> context_part(const ParamsRequest& request,
                                      const std::vector<ParamsNeighbour>& neighbours,
                                      const std::string& source) {
  std::vector<double> scaled;
  for (const auto& neighbour : neighbours) {
    const bool by_active = request.active && neighbour.active;
    const double growth =
        by_active ? ratio(*request.active, *neighbour.active) : ratio(request.total, neighbour.total);
    scaled.push_back(static_cast<double>(neighbour.context.value()) * std::pow(growth, context_exponent));
  }
  std::sort(scaled.begin(), scaled.end());
  return part(scaled.front() / context_margin, quantile(scaled, 0.5), scaled.back() * context_margin, source);
}

/// A number with a unit at `at`: "235B", "0.5b", "270M". Advances `at` past it.
std::optional<double> number_with_unit(std::string_view text, std::size_t& at) {
  double number = 0;
  const auto parsed =
      std::from_chars(text.data() + at, text.data() + text.size(), number, std::chars_format::fixed);
  if (parsed.ec != std::errc()) return std::nullopt;
  const auto unit_at = static_cast<std::size_t>(parsed.ptr - text.data());
  if (unit_at >= text.size()) return std::nullopt;
  const int unit = std::tolower(static_cast<unsigned char>(text[unit_at]));
  if (unit != 'b' && unit != 'm' && unit != 't') return std::nullopt;
  const bool ends =
      unit_at + 1 == text.size() || std::isalnum(static_cast<unsigned char>(text[unit_at + 1])) == 0;
  if (!ends) return std::nullopt;
  at = unit_at + 1;
  return number * (unit == 'b' ? 1e9 : unit == 'm' ? 1e6 : 1e12);
}

}  // namespace

double params_distance(const ParamsRequest& request, ParamCount total, std::optional<ParamCount> active) {
  double distance = std::abs(std::log(ratio(request.total, total)));
  if (request.active && active) distance += std::abs(std::log(ratio(*request.active, *active)));
  return distance;
}

Result<ParamsEstimate> estimate_from_params(const ParamsRequest& request,
                                            std::vector<ParamsNeighbour> neighbours) {
  const auto usable = [](ParamCount count) { return count > ParamCount(0) && !count.is_saturated(); };
  if (!usable(request.total) || (request.active && !usable(*request.active)))
    return fail(ErrorCode::usage, "a model has at least one parameter");
  neighbours.erase(std::remove_if(neighbours.begin(), neighbours.end(),
                                  [&](const ParamsNeighbour& n) {
                                    return !usable(n.total) || (n.active && !usable(*n.active));
                                  }),
                   neighbours.end());
  std::stable_sort(neighbours.begin(), neighbours.end(), [&](const auto& a, const auto& b) {
    return params_distance(request, a.total, a.active) < params_distance(request, b.total, b.active);
  });
  if (neighbours.size() > params_neighbour_count) neighbours.resize(params_neighbour_count);
  if (neighbours.size() < fewest_params_neighbours)
    return fail(ErrorCode::unsupported, "the catalog has too few models of about that size",
                "Name a model, or a GGUF file.");

  ParamsEstimate estimate;
  const std::string source = fmt::format("{} known models of about that size, {} the nearest",
                                         neighbours.size(), neighbours.front().id);
  const auto tensors = weights_part(request, neighbours, &ParamsNeighbour::tensors, source);
  const auto weights = weights_part(request, neighbours, &ParamsNeighbour::weights, source);
  const auto context = context_part(request, neighbours, source);
  if (!tensors || !weights || !context)
    return fail(ErrorCode::overflow, "the size of a model with that many parameters does not fit 64 bits");
  estimate.tensors = *tensors;
  estimate.weights = *weights;
  estimate.context = *context;
  for (const auto& neighbour : neighbours) estimate.neighbours.push_back(neighbour.id);
  return estimate;
}

std::optional<ParamsRequest> params_in_name(std::string_view name) {
  std::optional<double> total, active;
  for (std::size_t at = 0; at < name.size();) {
    const bool begins = at == 0 || std::isalnum(static_cast<unsigned char>(name[at - 1])) == 0;
    // "8.5B" must not be read again as "5B".
    const bool continues =
        at > 1 && name[at - 1] == '.' && std::isdigit(static_cast<unsigned char>(name[at - 2]));
    if (!begins || continues) {
      ++at;
      continue;
    }
    const bool marked = name[at] == 'A' || name[at] == 'a';
    std::size_t next = at + (marked ? 1 : 0);
    const auto number = next < name.size() && std::isdigit(static_cast<unsigned char>(name[next]))
                            ? number_with_unit(name, next)
                            : std::nullopt;
    if (!number) {
      ++at;
      continue;
    }
    auto& slot = marked ? active : total;
    if (slot) return std::nullopt;
    slot = number;
    at = next;
  }
  const auto count = [](double number) {
    return ParamCount(static_cast<std::int64_t>(std::llround(number)));
  };
  constexpr double most = 1e16;  // Ten thousand times the largest model known.
  if (!total || !(*total > 0) || *total > most || (active && (!(*active > 0) || *active > *total)))
    return std::nullopt;
  return ParamsRequest{count(*total), active ? std::optional(count(*active)) : std::nullopt};
}

}  // namespace llmsize
