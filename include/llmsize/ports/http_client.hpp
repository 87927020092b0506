#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// Bytes `first` to `last` of a file, both included, as HTTP counts them (RFC 9110, 14.1).
struct ByteRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  ///< Lines of the form "Name: value".
  std::optional<ByteRange> range;
  Bytes most;                 ///< A longer body ends the transfer.
  double stall_seconds = 10;  ///< Without a connection, or with hardly any bytes, for this long: given up.
  double total_seconds = 300;
};

/// Why a transfer ended before its time.
enum class TransferFailure { none, interrupted, timed_out, too_long, impossible };

struct HttpResponse {
  int status = 0;                              ///< 0 where no answer came.
  std::map<std::string, std::string> headers;  ///< Of this answer, by name in lower case.
  std::string body;                            ///< What arrived, also of a transfer that failed.
  TransferFailure failure = TransferFailure::none;
  std::string reason;  ///< The failure in words.
};

/// GET over HTTP and HTTPS, one request at a time. Redirects are returned, not followed, so that the caller
/// decides which host gets which headers.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Errors: unsupported where there is no way to speak HTTP at all; everything else is in the response.
  [[nodiscard]] virtual Result<HttpResponse> get(const HttpRequest& request) const = 0;
  /// Lets time pass between attempts.
  virtual void wait(double seconds) const = 0;
};

}  // namespace llmsize
