#include "llmsize/catalog/model_names.hpp"

#include <map>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace llmsize;
using namespace llmsize::catalog;

namespace {

std::string resolved(const std::string& name) {
  const auto catalog = Catalog::embedded();
  const auto found = find_model(catalog, name);
  if (!found) return "none";
  return fmt::format("{} {}", found->entry.id, found->file_type.value_or("-"));
}

}  // namespace

TEST_CASE("models answer to ids, repository names and registry tags") {
  CHECK(resolved("qwen2.5-coder-14b-instruct") == "qwen2.5-coder-14b-instruct -");
  CHECK(resolved("Qwen3-235B-A22B") == "qwen3-235b-a22b -");
  CHECK(resolved("Qwen/Qwen3-235B-A22B") == "qwen3-235b-a22b -");
  CHECK(resolved("llama3.1:8b") == "llama-3.1-8b-instruct -");
  CHECK(resolved("llama3.1") == "llama-3.1-8b-instruct -");
  CHECK(resolved("gemma3:27b") == "gemma-3-27b-it -");
  CHECK(resolved("mistral:latest") == "mistral-7b-instruct-v0.3 -");
  CHECK(resolved("unsloth/Qwen3-8B-GGUF") == "qwen3-8b -");
}

TEST_CASE("a name may end in the file type it asks for") {
  CHECK(resolved("qwen2.5-coder:14b-instruct-q4_K_M") == "qwen2.5-coder-14b-instruct Q4_K_M");
  CHECK(resolved("qwen2.5-coder:14b-instruct-q4_0") == "qwen2.5-coder-14b-instruct Q4_0");
  CHECK(resolved("llama3.1:70b-instruct-fp16") == "llama-3.1-70b-instruct F16");
  CHECK(resolved("unsloth/Qwen3-8B-GGUF:Q8_0") == "qwen3-8b Q8_0");
  CHECK(resolved("gpt-oss:20b-bf16") == "gpt-oss-20b BF16");
  CHECK(resolved("Meta-Llama-3.1-8B-Instruct.Q5_K_S") == "llama-3.1-8b-instruct Q5_K_S");
}

TEST_CASE("an unknown name is refused with the nearest known ones") {
  const auto catalog = Catalog::embedded();
  const auto error = find_model(catalog, "qwen3-9b").error();
  CHECK(error.code == ErrorCode::not_found);
  CHECK(error.hint.find("qwen3-8b") != std::string::npos);
  CHECK(resolved("") == "none");
  CHECK(resolved("-") == "none");
  CHECK(resolved(std::string(100'000, '-')) == "none");
}

TEST_CASE("no two models share a name") {
  const auto catalog = Catalog::embedded();
  const auto fold = [](std::string_view name) {
    std::string out;
    for (const char c : name)
      if (c == '.' || std::isalnum(static_cast<unsigned char>(c)) != 0)
        out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  };
  std::map<std::string, std::string> owner;
  for (const auto& entry : catalog.list("model")) {
    std::string names = std::string(entry.id) + '\n' + std::string(entry.aliases);
    for (std::size_t at = 0; at < names.size();) {
      const auto end = names.find('\n', at);
      const auto name = fold(names.substr(at, end - at));
      at = end == std::string::npos ? names.size() : end + 1;
      INFO(name << " of " << entry.id);
      CHECK(owner.emplace(name, entry.id).second);
    }
  }
}
