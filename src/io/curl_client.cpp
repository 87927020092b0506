#include "llmsize/io/curl_client.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <thread>

#include <fmt/format.h>

namespace llmsize::io {
namespace {

/// The part of libcurl's interface that is used. Its numbers are fixed for good (libcurl,
/// include/curl/curl.h: "This is the ABI"), so no header is needed to build.
namespace abi {
using Handle = void;
struct List;
using WriteFunction = std::size_t (*)(char*, std::size_t, std::size_t, void*);
using ProgressFunction = int (*)(void*, std::int64_t, std::int64_t, std::int64_t, std::int64_t);

constexpr int write_data = 10001, url = 10002, header_data = 10029, header_list = 10023, range = 10007,
              user_agent = 10018, error_buffer = 10010, write_function = 20011, header_function = 20079,
              low_speed_limit = 19, low_speed_time = 20, no_signal = 99, timeout_ms = 155,
              connect_timeout_ms = 156, protocols = 181, suppress_connect_headers = 265, no_progress = 43,
              progress_data = 10057, progress_function = 20219;
constexpr long http_and_https = 1 | 2;
constexpr std::size_t error_size = 256;
constexpr int response_code = 0x200000 + 2;
constexpr int bad_url = 3, write_error = 23, timed_out = 28, certificate = 60, unsupported_protocol = 1;
}  // namespace abi

/// Below this many bytes a second a transfer that still trickles counts as stalled.
constexpr long slowest = 1024;
using Clock = std::chrono::steady_clock;
/// No server has reason to send more header lines than this.
constexpr std::size_t most_header_bytes = 256 * 1024;

constexpr const char* library_names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

struct Transfer {
  HttpResponse response;
  std::size_t most = 0;
  std::size_t header_bytes = 0;
  std::chrono::duration<double> longest_silence{};
  std::int64_t received = 0;
  Clock::time_point last_byte = Clock::now();
};

/// Leaves a server that has gone silent. libcurl's own limit goes by a speed averaged over seconds, so it may
/// take three times as long to notice; this is called at least once a second.
int watch_silence(void* on, std::int64_t, std::int64_t received, std::int64_t, std::int64_t) {
  auto& transfer = *static_cast<Transfer*>(on);
  const auto now = Clock::now();
  if (received != transfer.received) {
    transfer.received = received;
    transfer.last_byte = now;
  }
  if (now - transfer.last_byte <= transfer.longest_silence) return 0;
  transfer.response.failure = TransferFailure::timed_out;
  return 1;
}

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& transfer = *static_cast<Transfer*>(to);
  const std::size_t length = size * count;
  if (length > transfer.most - transfer.response.body.size()) {
    transfer.response.failure = TransferFailure::too_long;
    return 0;
  }
  transfer.response.body.append(bytes, length);
  return length;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const auto first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(blank) - first + 1));
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& transfer = *static_cast<Transfer*>(to);
  const std::string_view line(bytes, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > most_header_bytes) {
    transfer.response.failure = TransferFailure::too_long;
    return 0;
  }
  // A status line begins a new answer, for example after "100 Continue".
  if (line.starts_with("HTTP/")) transfer.response.headers.clear();
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name = trimmed(line.substr(0, colon));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  transfer.response.headers[name] = trimmed(line.substr(colon + 1));
  return line.size();
}

TransferFailure failure_of(int code) {
  if (code == 0) return TransferFailure::none;
  if (code == abi::timed_out) return TransferFailure::timed_out;
  // Trying again does not mend a certificate or an address.
  const bool hopeless = code == abi::certificate || code == abi::bad_url || code == abi::unsupported_protocol;
  return hopeless ? TransferFailure::impossible : TransferFailure::interrupted;
}

}  // namespace

/// The opened library and one handle, which keeps connections for the next request.
struct CurlClient::Session {
  std::unique_ptr<DynamicLibrary> library;
  abi::Handle* (*init)() = nullptr;
  void (*cleanup)(abi::Handle*) = nullptr;
  void (*reset)(abi::Handle*) = nullptr;
  int (*set_option)(abi::Handle*, int, ...) = nullptr;
  int (*get_info)(abi::Handle*, int, ...) = nullptr;
  int (*perform)(abi::Handle*) = nullptr;
  const char* (*error_text)(int) = nullptr;
  abi::List* (*append)(abi::List*, const char*) = nullptr;
  void (*free_list)(abi::List*) = nullptr;
  abi::Handle* handle = nullptr;

  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (handle != nullptr) cleanup(handle);
  }

  [[nodiscard]] bool bind() {
    const auto find = [&](auto& function, const char* name) {
      void* address = library->symbol(name);
      // Copying the bits is the portable way from an object's address to a function's.
      static_assert(sizeof function == sizeof address);
      std::memcpy(&function, &address, sizeof function);
      return function != nullptr;
    };
    return find(init, "curl_easy_init") && find(cleanup, "curl_easy_cleanup") &&
           find(reset, "curl_easy_reset") && find(set_option, "curl_easy_setopt") &&
           find(get_info, "curl_easy_getinfo") && find(perform, "curl_easy_perform") &&
           find(error_text, "curl_easy_strerror") && find(append, "curl_slist_append") &&
           find(free_list, "curl_slist_free_all") && (handle = init()) != nullptr;
  }
};

CurlClient::CurlClient(const SystemCalls& system) : system_(system) {}
CurlClient::~CurlClient() = default;

Result<HttpResponse> CurlClient::get(const HttpRequest& request) const {
  if (!session_) {
    auto session = std::make_unique<Session>();
    for (const char* name : library_names) {
      auto opened = system_.open_library(name);
      if (!opened) continue;
      session->library = *std::move(opened);
      break;
    }
    if (!session->library || !session->bind())
      return fail(ErrorCode::unsupported, "libcurl, which remote names need, is not installed",
                  "On Debian or Ubuntu: apt-get install libcurl4. Files and catalog models need none.");
    session_ = std::move(session);
  }
  const Session& curl = *session_;
  Transfer transfer;
  transfer.most = static_cast<std::size_t>(request.most.value());
  transfer.longest_silence = std::chrono::duration<double>(request.stall_seconds);
  char error[abi::error_size] = "";
  abi::List* headers = nullptr;
  for (const auto& line : request.headers) headers = curl.append(headers, line.c_str());
  const std::string range =
      request.range ? fmt::format("{}-{}", request.range->first, request.range->last) : "";

  curl.reset(curl.handle);
  const auto set = [&](int option, auto value) { curl.set_option(curl.handle, option, value); };
  const auto milliseconds = [](double seconds) { return static_cast<long>(seconds * 1000); };
  set(abi::url, request.url.c_str());
  set(abi::protocols, abi::http_and_https);
  set(abi::user_agent, "llmsize");
  set(abi::header_list, headers);
  if (request.range) set(abi::range, range.c_str());
  set(abi::no_signal, 1L);
  set(abi::suppress_connect_headers, 1L);
  set(abi::connect_timeout_ms, milliseconds(request.stall_seconds));
  set(abi::timeout_ms, milliseconds(request.total_seconds));
  set(abi::low_speed_limit, slowest);
  set(abi::low_speed_time, std::max(1L, static_cast<long>(request.stall_seconds)));
  set(abi::no_progress, 0L);
  set(abi::progress_function, abi::ProgressFunction{watch_silence});
  set(abi::progress_data, static_cast<void*>(&transfer));
  set(abi::write_function, abi::WriteFunction{take_body});
  set(abi::write_data, static_cast<void*>(&transfer));
  set(abi::header_function, abi::WriteFunction{take_header});
  set(abi::header_data, static_cast<void*>(&transfer));
  set(abi::error_buffer, static_cast<char*>(error));
  const int code = curl.perform(curl.handle);
  long status = 0;
  curl.get_info(curl.handle, abi::response_code, &status);
  curl.free_list(headers);

  HttpResponse& response = transfer.response;
  response.status = static_cast<int>(status);
  if (response.failure == TransferFailure::none) response.failure = failure_of(code);
  if (code != 0) response.reason = error[0] != '\0' ? error : curl.error_text(code);
  return std::move(response);
}

void CurlClient::wait(double seconds) const {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

}  // namespace llmsize::io
