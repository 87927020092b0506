#include "llmsize/app/model_stores.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "llmsize/app/find_model.hpp"
#include "llmsize/catalog/types.hpp"
#include "support/closed_world.hpp"
#include "support/gguf_builder.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;

namespace {

class Variables final : public Environment {
 public:
  std::map<std::string, std::string> values{{"HOME", "/home/u"}};
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
};

struct World {
  test::MemoryFiles files;
  test::NoWriter writer;
  Variables environment;
  catalog::Catalog catalogs = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalogs);
  app::Services services{files, writer, environment, catalogs, types};

  Result<Model> find(const std::string& name, std::string quant = "") {
    return app::find_model(services, name, quant);
  }
};

const std::string gguf = test::GgufBuilder()
                             .text("general.architecture", "llama")
                             .number<std::uint32_t>("llama.block_count", 1)
                             .tensor("token_embd.weight", {256, 32}, 8, 256 / 32 * 34 * 32)
                             .build();
const std::string digest(64, 'a');
const std::string manifest =
    R"({"layers": [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:0"},
  {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:)" +
    digest + R"("}]})";

}  // namespace

TEST_CASE("Ollama's names lead through the manifest to the weights") {
  World world;
  const std::string store = "/home/u/.ollama/models";
  world.files.add(store + "/manifests/registry.ollama.ai/library/qwen2.5/7b", manifest);
  world.files.add(store + "/manifests/registry.ollama.ai/library/qwen2.5/latest", manifest);
  world.files.add(store + "/manifests/registry.ollama.ai/someone/model/v1", manifest);
  world.files.add(store + "/manifests/hf.co/org/repo/Q8_0", manifest);
  world.files.add(store + "/blobs/sha256-" + digest, gguf);
  for (const char* name :
       {"ollama:qwen2.5:7b", "ollama:qwen2.5", "ollama:someone/model:v1", "ollama:hf.co/org/repo:Q8_0"}) {
    const auto model = world.find(name);
    REQUIRE(model.has_value());
    CHECK(model->architecture == "llama");
    CHECK(model->origin == name);
  }
  const auto error = world.find("ollama:qwen2.5:8b").error();
  CHECK(error.code == ErrorCode::not_found);
  CHECK(error.hint == "Did you mean ollama:qwen2.5:7b?");

  world.environment.values["OLLAMA_MODELS"] = "/elsewhere";
  CHECK(world.find("ollama:qwen2.5:7b").error().code == ErrorCode::not_found);
}

TEST_CASE("a damaged Ollama manifest is an error and cannot lead out of the store") {
  for (
      const char* wrong :
      {"", "[]", "{}", R"({"layers": 1})", R"({"layers": [1, {}, {"mediaType": 5}]})",
       R"({"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../etc/passwd"}]})",
       R"({"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": 5}]})"})
    CHECK(app::parse_ollama_manifest(wrong, "m").error().code == ErrorCode::malformed);
}

TEST_CASE("LM Studio's folder is named by publisher and repository") {
  World world;
  const std::string store = "/home/u/.lmstudio/models/";
  world.files.add(store + "org/M-GGUF/M-Q4_K_M.gguf", gguf);
  world.files.add(store + "org/M-GGUF/M-Q8_0.gguf", gguf);
  world.files.add(store + "org/M-GGUF/mmproj-F16.gguf", gguf);
  CHECK(world.find("lmstudio:org/M-GGUF")->id == "M-Q4_K_M");
  CHECK(world.find("lmstudio:org/M-GGUF:q8_0")->id == "M-Q8_0");
  CHECK(world.find("lmstudio:org/M-GGUF/M-Q8_0.gguf")->id == "M-Q8_0");
  CHECK(world.find("lmstudio:org/N-GGUF").error().code == ErrorCode::not_found);
}

TEST_CASE("what the hub's tools downloaded is used without the network, and says so") {
  World world;
  const std::string repository = "/home/u/.cache/huggingface/hub/models--org--M-GGUF";
  world.files.add(repository + "/refs/main", "c0ffee\n");
  world.files.add(repository + "/snapshots/c0ffee/M-Q4_K_M.gguf", gguf);
  world.files.add(repository + "/snapshots/0ld/M-Q8_0.gguf", gguf);
  const auto model = world.find("hf:org/M-GGUF");
  REQUIRE(model.has_value());
  CHECK(model->id == "M-Q4_K_M");
  REQUIRE_FALSE(model->notes.empty());
  CHECK(model->notes.back().find("without the network") != std::string::npos);
  CHECK(world.find("hf:org/M-GGUF@0ld:Q8_0")->id == "M-Q8_0");
  // What is not there needs the network, which this world lacks.
  CHECK(world.find("hf:org/M-GGUF:Q8_0").error().code == ErrorCode::network);
  CHECK(world.find("hf:org/M-GGUF@../../x").error().code == ErrorCode::usage);
}

TEST_CASE("all models on this disk are listed with names that lead back to them") {
  World world;
  const std::string hub = "/home/u/.cache/huggingface/hub/";
  world.files.add(hub + "models--org--M-GGUF/refs/main", "c0ffee");
  world.files.add(hub + "models--org--M-GGUF/snapshots/c0ffee/M-Q4_K_M-00001-of-00002.gguf", gguf);
  world.files.add(hub + "models--org--M-GGUF/snapshots/c0ffee/M-Q4_K_M-00002-of-00002.gguf",
                  std::string(100, ' '));
  world.files.add(hub + "models--org--W/refs/main", "1");
  world.files.add(hub + "models--org--W/snapshots/1/config.json", "{}");
  world.files.add(hub + "models--org--W/snapshots/1/model.safetensors", std::string(50, ' '));
  world.files.add("/home/u/.ollama/models/manifests/registry.ollama.ai/library/qwen2.5/7b", manifest);
  world.files.add("/home/u/.ollama/models/blobs/sha256-" + digest, gguf);
  world.files.add("/home/u/.lmstudio/models/org/N/N-Q8_0.gguf", gguf);
  const auto models = app::local_models(world.services);
  REQUIRE(models.size() == 4);
  CHECK(models[0].name == "hf:org/M-GGUF:M-Q4_K_M-00001-of-00002.gguf");
  CHECK(models[0].size == Bytes(static_cast<std::int64_t>(gguf.size()) + 100));
  CHECK(models[1].name == "hf:org/W");
  CHECK(models[1].size == Bytes(50));
  CHECK(models[2].name == "lmstudio:org/N/N-Q8_0.gguf");
  CHECK(models[3].name == "ollama:qwen2.5:7b");
  CHECK(models[3].source == "Ollama");
  CHECK(world.find(models[2].name).has_value());
  CHECK(world.find(models[3].name).has_value());
}

TEST_CASE("a name is a kept model, a path, a catalog id, an alias, in this order") {
  World world;
  world.files.add("qwen3-8b/notes.txt", "");
  world.files.add("folder/one.gguf", gguf);
  world.files.add("several/one.gguf", gguf);
  world.files.add("several/two.gguf", gguf);
  world.files.add("qwen3-4b", gguf);
  CHECK(world.find("qwen3-8b")->source == ModelSource::catalog);
  CHECK(world.find("qwen3-4b")->source == ModelSource::gguf);
  CHECK(world.find("folder")->id == "one");
  CHECK(world.find("several").error().hint.find("several/two.gguf") != std::string::npos);
  CHECK(world.find("Qwen/Qwen3-8B")->id == "qwen3-8b");
  CHECK(world.find("absent.gguf").error().code == ErrorCode::not_found);
  const auto error = world.find("someone/Absent-Model").error();
  CHECK(error.hint.find("hf:someone/Absent-Model") != std::string::npos);
  CHECK(app::names_a_file("Qwen9-300B-A30B.gguf"));
  CHECK_FALSE(app::names_a_file("Qwen9-300B-A30B"));
}
