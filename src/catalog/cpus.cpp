#include "llmsize/catalog/cpus.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

constexpr double giga = 1e9;
constexpr double mega = 1e6;
constexpr double bytes_per_transfer = 8;

std::optional<double> positive(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_number() || found->get<double>() <= 0) return std::nullopt;
  return found->get<double>();
}

}  // namespace

std::optional<PackageBandwidth> package_bandwidth(const nlohmann::json& entry) {
  if (const auto stated = positive(entry, "bandwidth_gb_per_second"))
    return PackageBandwidth{BytesPerSecond(*stated * giga), true,
                            fmt::format("{} GB/s, which is all it can use", *stated)};
  const auto channels = positive(entry, "memory_channels");
  const auto transfers = positive(entry, "mega_transfers_per_second");
  if (!channels || !transfers) return std::nullopt;
  return PackageBandwidth{
      BytesPerSecond(*channels * *transfers * mega * bytes_per_transfer), false,
      fmt::format("{} channels x {} MT/s x 8 bytes, with every channel filled", *channels, *transfers)};
}

}  // namespace llmsize::catalog
