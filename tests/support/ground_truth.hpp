// The reference engine's own answers: reading the compressed files and putting their questions to llmsize.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "llmsize/core/run.hpp"

namespace llmsize::test {

inline std::string gunzip(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("gzip -dc '" + path + "'").c_str(), "r"), pclose);
  std::string out, part(1 << 16, '\0');
  for (std::size_t got = 0; pipe && (got = fread(part.data(), 1, part.size(), pipe.get())) > 0;)
    out.append(part, 0, got);
  return out;
}

/// The run that a row's settings describe, as the scoring script would ask for it.
inline RunRequest run_request(const nlohmann::json& settings, const TypeTable& types) {
  RunRequest request;
  request.context_tokens = settings.at("n_ctx").get<std::int64_t>();
  request.ubatch_tokens = settings.value("n_ubatch", std::int64_t{512});
  request.parallel = settings.value("n_seq_max", std::int64_t{1});
  request.kv_unified = settings.value("kv_unified", false);
  const auto flash_attention = settings.value("flash_attn", std::string("auto"));
  if (flash_attention == "on") request.flash_attention = FlashAttention::on;
  if (flash_attention == "off") request.flash_attention = FlashAttention::off;
  if (const auto* type = types.find(settings.value("type_k", std::string("f16"))))
    request.cache_type_k = *type;
  if (const auto* type = types.find(settings.value("type_v", std::string("f16"))))
    request.cache_type_v = *type;
  request.swa_full = settings.value("swa_full", false);
  request.tool = settings.value("n_outputs_max", 0) == 0 ? Tool::bench : Tool::server;
  return request;
}

}  // namespace llmsize::test
