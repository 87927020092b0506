// A user's file of roles and a saved plan: either read or refused with the place of the fault.
#include <cstddef>
#include <cstdint>
#include <string>

#include "llmsize/app/saved_fleet.hpp"
#include "llmsize/app/saved_plan.hpp"
#include "llmsize/catalog/roles.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llmsize;
  static const auto catalog = catalog::Catalog::embedded();
  const std::string content(data, data + size);
  static_cast<void>(catalog::parse_role_file(catalog, content, "roles.json"));
  static_cast<void>(app::parse_saved_plan(content, "plan.json"));
  static_cast<void>(app::parse_saved_fleet(content, "fleet.json"));
  return 0;
}
