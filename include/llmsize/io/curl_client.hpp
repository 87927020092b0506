#pragma once
#include <memory>

#include "llmsize/ports/http_client.hpp"
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::io {

/// HTTP by libcurl, which is opened on the first request: other commands do not pay its start-up (about
/// 6 ms), and the program runs without it. Proxies are curl's own business (https_proxy, no_proxy).
class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(const SystemCalls& system);
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  [[nodiscard]] Result<HttpResponse> get(const HttpRequest& request) const override;
  void wait(double seconds) const override;

 private:
  struct Session;
  const SystemCalls& system_;
  mutable std::unique_ptr<Session> session_;
};

}  // namespace llmsize::io
