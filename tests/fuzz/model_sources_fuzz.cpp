// Any bytes as what tells where and what a model is: a safetensors header and its index, a config.json, an
// Ollama manifest, a hub's answer and headers. An error or a value, never a crash, a hang or a huge
// allocation.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "llmsize/app/config_model.hpp"
#include "llmsize/app/hub_model.hpp"
#include "llmsize/app/model_stores.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/hf/http_text.hpp"
#include "llmsize/hf/repository.hpp"
#include "llmsize/hf/safetensors.hpp"
#include "support/closed_world.hpp"
#include "support/memory_files.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;

namespace {

constexpr std::int64_t tebibyte = std::int64_t{1} << 40;

/// A hub whose every answer is made of the input: its status, its headers and its body.
class HostileHub final : public HttpClient {
 public:
  explicit HostileHub(const std::string& bytes) : bytes_(bytes) {}
  [[nodiscard]] Result<HttpResponse> get(const HttpRequest& request) const override {
    constexpr int statuses[] = {200, 206, 302, 404, 503};
    HttpResponse response;
    const auto at = requests_++ % (bytes_.size() + 1);
    const auto choice = at < bytes_.size() ? static_cast<unsigned char>(bytes_[at]) : 0U;
    response.status = request.range ? (choice % 4 == 0 ? statuses[choice / 4 % 5] : 206) : 200;
    const auto line = bytes_.find('\n');
    response.headers["location"] = bytes_.substr(0, line);
    response.headers["retry-after"] = bytes_.substr(0, line);
    response.headers["content-range"] = bytes_.substr(0, line);
    if (request.range && choice % 2 == 0) {
      const auto total = static_cast<std::int64_t>(bytes_.size());
      const auto first = request.range->first, last = std::min(request.range->last, total - 1);
      if (first <= last) {
        response.headers["content-range"] =
            "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(total);
        response.body =
            bytes_.substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1));
      }
    } else {
      response.body = bytes_;
    }
    if (choice % 32 == 31) response.failure = TransferFailure::interrupted;
    return response;
  }
  void wait(double) const override {}

 private:
  const std::string& bytes_;
  mutable std::size_t requests_ = 0;
};

struct World {
  catalog::Catalog catalogs = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalogs);
  test::NoEnvironment environment;
  test::NoWriter writer;
};

void read_weights(const std::string& bytes) {
  const test::MemoryFiles files{{"m.safetensors", bytes}};
  if (const auto tensors = hf::read_safetensors(**files.open("m.safetensors"), "m.safetensors")) {
    hf::PublishedWeights weights;
    hf::add_tensors(weights, *tensors, {"gptq", 4}, 2);
    if (weights.bytes < Bytes()) __builtin_trap();
  }
  // The same header in a file large enough for whatever data it claims.
  const test::SparseFiles sparse(bytes, Bytes(tebibyte));
  static_cast<void>(hf::read_safetensors(**sparse.open("m.safetensors"), "m.safetensors"));
  static_cast<void>(hf::parse_index(bytes, "index"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  static const World world;
  const std::string bytes(data, data + length);
  read_weights(bytes);
  static_cast<void>(app::parse_ollama_manifest(bytes, "manifest"));
  static_cast<void>(hf::parse_content_range(bytes));
  static_cast<void>(hf::parse_retry_after(bytes));
  static_cast<void>(hf::redirect_target("https://hub.example/a", bytes));
  static_cast<void>(hf::escape_path(bytes));
  static_cast<void>(hf::parse_repository_name(bytes));
  if (const auto repository = hf::parse_repository(bytes))
    static_cast<void>(hf::choose_gguf(repository->files, "Q4_K_M", "hf:a/b"));

  test::MemoryFiles files{{"m/config.json", bytes}, {"m/model.safetensors", bytes}};
  const HostileHub hub(bytes);
  const app::Services services{
      files, world.writer, world.environment, world.catalogs, world.types, nullptr, nullptr, nullptr, &hub};
  static_cast<void>(app::load_config_model(services, files, "m", true));
  files.add("n/config.json", bytes);
  static_cast<void>(app::load_config_model(services, files, "n", false));
  std::string quant;
  static_cast<void>(app::load_hub_model(services, "hf:org/model", quant));
  return 0;
}
