#include "llmsize/core/tier.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

namespace {
// The thresholds of the sizing guide's assessment script.
static const std::vector<TierRule> rules = {
    {"dev_only", "DEV ONLY", 0, ""},   {"minimal", "MINIMAL", 32, ""},        {"basic", "BASIC", 64, ""},
    {"standard", "STANDARD", 128, ""}, {"production", "PRODUCTION", 256, ""}, {"full", "FULL", 512, ""}};
std::string tier_name(Bytes total) {
  return tier_of(total, rules)->rule.name;
}
}  // namespace

TEST_CASE("at exactly a threshold the script's less-than decides for the higher tier") {
  CHECK(tier_name(gibibytes(64)) == "BASIC");
  CHECK(tier_name(gibibytes(64) - Bytes(1)) == "MINIMAL");
  CHECK(tier_name(gibibytes(128)) == "STANDARD");
  CHECK(tier_name(gibibytes(256)) == "PRODUCTION");
  CHECK(tier_name(gibibytes(512)) == "FULL");
  CHECK(tier_name(Bytes()) == "DEV ONLY");
}

TEST_CASE("a machine sold with more than it reports is told why it lies below") {
  CHECK(tier_of(gibibytes(251), rules)->note.find("256 GB") != std::string::npos);
  CHECK(tier_of(gibibytes(503), rules)->note.find("512 GB") != std::string::npos);
  CHECK(tier_of(gibibytes(62), rules)->note.find("64 GB") != std::string::npos);
  CHECK(tier_of(gibibytes(200), rules)->note.empty());
}

TEST_CASE("where the guide's script and its table of configurations disagree, both names are given") {
  auto both = rules;
  both[3].configuration_gib = 256;
  const auto tier = tier_of(gibibytes(256), both);
  CHECK(tier->rule.name == "PRODUCTION");
  CHECK(tier->note.find("calls 256 GB STANDARD") != std::string::npos);
  CHECK(tier_of(gibibytes(257), both)->note.empty());
  CHECK(tier_of(gibibytes(256), rules)->note.empty());
}

TEST_CASE("without rules there is no tier") {
  CHECK_FALSE(tier_of(gibibytes(64), {}).has_value());
}
