#include "llmsize/app/sizer.hpp"

#include <catch2/catch.hpp>

#include "llmsize/catalog/types.hpp"
#include "support/closed_world.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;

TEST_CASE("a sizer answers as the pipeline does, and a repeated question from memory") {
  const test::MemoryFiles files;
  const test::NoWriter writer;
  const test::NoEnvironment environment;
  const auto catalog = catalog::Catalog::embedded();
  const auto types = catalog::load_tensor_types(catalog).value();
  const app::Services services{files, writer, environment, catalog, types};
  app::Sizer sizer(services);
  for (const char* model : {"qwen3-0.6b", "gemma-3-1b-it", "qwen3-0.6b:Q5_K_M"})
    for (const char* quant : {"", "Q4_K_M", "Q8_0"})
      for (const std::int64_t context : {1024, 4096}) {
        app::SizingRequest request;
        request.model = model;
        request.quant = quant;
        request.run.context_tokens = context;
        INFO(model << " " << quant << " " << context);
        const auto answer = sizer.size(request);
        const auto expected = app::size_model(services, request);
        REQUIRE(answer);
        REQUIRE(expected);
        CHECK((*answer)->quant == expected->quant);
        CHECK((*answer)->file.size == expected->file.size);
        CHECK((*answer)->footprint.weights.size == expected->footprint.weights.size);
        CHECK((*answer)->footprint.compute.size == expected->footprint.compute.size);
        CHECK((*answer)->footprint.high == expected->footprint.high);
        CHECK((*answer)->notes == expected->notes);
        CHECK(*sizer.size(request) == *answer);
      }
  app::SizingRequest unknown;
  unknown.model = "no-such-model";
  CHECK(sizer.size(unknown).error().code == ErrorCode::not_found);
}
