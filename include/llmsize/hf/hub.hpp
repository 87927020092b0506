#pragma once
#include <string>

#include "llmsize/core/result.hpp"
#include "llmsize/hf/http_text.hpp"
#include "llmsize/ports/environment.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/http_client.hpp"

namespace llmsize::hf {

/// What the environment says about the hub.
struct HubSettings {
  std::string endpoint;       ///< HF_ENDPOINT, else the public hub.
  std::string token;          ///< HF_TOKEN, else the token that the hub's own tools saved; may be empty.
  double stall_seconds = 10;  ///< HF_HUB_DOWNLOAD_TIMEOUT.
  bool offline = false;       ///< HF_HUB_OFFLINE.
};

/// Errors: usage for an endpoint that is no web address.
Result<HubSettings> hub_settings(const Environment& environment, const FileReader& files);

/// Part of a remote file.
struct RemotePart {
  std::string bytes;
  std::int64_t total = 0;  ///< The whole file's length.
};

/// Speaks to a model hub: retries with growing pauses what may pass, follows a few redirects, resumes a range
/// where it was cut, and sends the token to the endpoint's own host only.
///
/// Errors: network, naming the address, for whatever the server or the way to it does wrong.
class Hub {
 public:
  Hub(const HttpClient& http, HubSettings settings) : http_(http), settings_(std::move(settings)) {}

  [[nodiscard]] const HubSettings& settings() const { return settings_; }
  /// A whole small document; longer than `most` is an error. `path` follows the endpoint.
  [[nodiscard]] Result<std::string> document(const std::string& path, Bytes most) const;
  /// `length` bytes from `first`, or up to the file's end.
  [[nodiscard]] Result<RemotePart> part(const std::string& path, std::int64_t first,
                                        std::int64_t length) const;

 private:
  struct Attempts;
  /// One answer that is no redirect and no passing failure.
  [[nodiscard]] Result<HttpResponse> answer(const std::string& path, HttpRequest request,
                                            Attempts& attempts) const;
  [[nodiscard]] Error refusal(const std::string& path, const HttpResponse& response) const;

  const HttpClient& http_;
  HubSettings settings_;
};

}  // namespace llmsize::hf
