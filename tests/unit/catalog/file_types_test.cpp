#include "llmsize/catalog/file_types.hpp"

#include <catch2/catch.hpp>

#include "llmsize/catalog/types.hpp"

using namespace llmsize;

namespace {

const catalog::Catalog& embedded() {
  static const auto catalogs = catalog::Catalog::embedded();
  return catalogs;
}

Result<FileType> load(std::string_view name) {
  static const TypeTable types = *catalog::load_tensor_types(embedded());
  return catalog::load_file_type(embedded(), types, name);
}

}  // namespace

TEST_CASE("Every embedded file type loads") {
  for (const auto& reference : embedded().list("file_type")) {
    const auto type = load(reference.id);
    INFO(reference.id << ": " << (type ? "" : type.error().message));
    CHECK(type);
  }
}

TEST_CASE("File types are found under the names that the engine accepts") {
  CHECK(load("Q4_K_M")->number == 15);
  CHECK(load("q4_k_m")->id == "Q4_K_M");
  CHECK(load("Q4_K")->id == "Q4_K_M");
  CHECK(load("q5_k")->id == "Q5_K_M");
  CHECK(load("Q3_K")->id == "Q3_K_M");
  CHECK(load("15")->id == "Q4_K_M");
  CHECK(load("MXFP4")->id == "MXFP4_MOE");
  CHECK(catalog::file_type_name(embedded(), 15) == "Q4_K_M");
  CHECK(catalog::file_type_name(embedded(), 1024 + 7) == "Q8_0");
  CHECK(catalog::file_type_name(embedded(), 999).empty());
}

TEST_CASE("An unknown file type names what there is") {
  const auto type = load("Q9");
  REQUIRE_FALSE(type);
  CHECK(type.error().code == ErrorCode::usage);
  CHECK(type.error().message == "no quant type named \"Q9\"");
  CHECK_THAT(type.error().hint, Catch::Contains("Q4_K_M"));
  CHECK_THAT(load("Q4_K_N").error().hint, Catch::Contains("Did you mean Q4_K_M"));
  CHECK_FALSE(load(""));
  CHECK_FALSE(load("99999999999999999999"));
}
