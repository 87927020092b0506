#include "llmsize/hf/hub.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace llmsize::hf {
namespace {

constexpr const char* public_hub = "https://huggingface.co";
constexpr int most_redirects = 5;
/// Attempts that fail without a single new byte, before the error is reported.
constexpr int most_failures = 3;
/// Attempts for one range altogether, so that a server cannot keep us by giving a byte at a time.
constexpr int most_attempts = 8;
constexpr double first_pause_seconds = 0.5;
/// A transfer that stalled after some bytes is taken up again once.
constexpr int most_stalls = 2;
/// A server that asks for a longer pause gets its wish by being left alone.
constexpr double longest_pause_seconds = 10;
/// A request may take this many times the stall limit, however steadily it trickles.
constexpr double total_per_stall = 12;

std::optional<double> positive_number(const std::optional<std::string>& text) {
  double value = 0;
  if (!text) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  constexpr double longest = 3600;
  const bool usable = parsed.ec == std::errc() && value > 0 && value <= longest;
  return usable ? std::optional(value) : std::nullopt;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Too many requests, or a server in trouble.
bool may_pass(int status) {
  return status == 408 || status == 429 || (status >= 500 && status <= 599);
}

/// A token as it can stand in a header line; anything else is none.
std::string header_safe(std::string token) {
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  const bool safe =
      std::all_of(token.begin(), token.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
  return safe ? token : std::string();
}

}  // namespace

Result<HubSettings> hub_settings(const Environment& environment, const FileReader& files) {
  const auto variable = [&](const char* name) {
    auto value = environment.variable(name);
    return value && !value->empty() ? value : std::nullopt;
  };
  HubSettings settings;
  settings.endpoint = variable("HF_ENDPOINT").value_or(public_hub);
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  if (origin_of(settings.endpoint).empty())
    return fail(ErrorCode::usage, fmt::format("HF_ENDPOINT is \"{}\", not a web address", settings.endpoint),
                "For example https://huggingface.co.");
  if (const auto token = variable("HF_TOKEN")) {
    settings.token = header_safe(*token);
  } else {
    const auto home = variable("HF_HOME").value_or(variable("HOME").value_or("") + "/.cache/huggingface");
    const auto saved = files.read_text(variable("HF_TOKEN_PATH").value_or(home + "/token"), Bytes(4096));
    if (saved) settings.token = header_safe(*saved);
  }
  settings.stall_seconds =
      positive_number(variable("HF_HUB_DOWNLOAD_TIMEOUT")).value_or(settings.stall_seconds);
  const auto offline = variable("HF_HUB_OFFLINE");
  settings.offline = offline && *offline != "0";
  return settings;
}

/// How often one request has been tried, and with what success.
struct Hub::Attempts {
  int all = 0;
  int without_progress = 0;
  int stalls = 0;
};

Error Hub::refusal(const std::string& path, const HttpResponse& response) const {
  const std::string url = settings_.endpoint + path;
  const auto error = [&](const std::string& what, const std::string& hint) {
    return Error{ErrorCode::network, fmt::format("{}: {}", url, what), hint};
  };
  if (response.failure == TransferFailure::timed_out)
    return error(fmt::format("no answer within {} seconds", settings_.stall_seconds),
                 "Try again; HF_HUB_DOWNLOAD_TIMEOUT sets the seconds.");
  if (response.failure == TransferFailure::too_long)
    return error("the server sent more than was asked for", "Check HF_ENDPOINT and the proxy.");
  if (response.failure != TransferFailure::none)
    return error(response.reason.empty() ? "the connection broke" : response.reason,
                 "Check the network, HF_ENDPOINT and the proxy.");
  switch (response.status) {
    case 401:
    case 403:
      return error(
          fmt::format("not permitted (HTTP {})", response.status),
          settings_.token.empty()
              ? "Check the name; for a private or gated model set HF_TOKEN."
              : "Check the name, and that the token may read this model (its page may ask for consent).");
    case 404:
      return error("does not exist (HTTP 404)", "Check owner, name and revision.");
    case 429:
      return error("too many requests (HTTP 429)", "Wait a while; HF_TOKEN raises the limit.");
    default:
      return error(fmt::format("HTTP {}", response.status), response.status >= 500
                                                                ? "The server is in trouble; try again later."
                                                                : "Check HF_ENDPOINT.");
  }
}

Result<HttpResponse> Hub::answer(const std::string& path, HttpRequest request, Attempts& attempts) const {
  const std::string home = origin_of(settings_.endpoint);
  request.stall_seconds = settings_.stall_seconds;
  request.total_seconds = settings_.stall_seconds * total_per_stall;
  const std::string start = settings_.endpoint + path;
  if (settings_.offline)
    return fail(ErrorCode::network, fmt::format("{}: not in the cache, and HF_HUB_OFFLINE is set", start),
                "Unset it to fetch what is missing.");
  request.url = start;
  int redirects = 0;
  while (true) {
    request.headers.clear();
    // The token is for the hub alone; a redirect to storage carries its own permission in the address.
    if (!settings_.token.empty() && origin_of(request.url) == home)
      request.headers.push_back("Authorization: Bearer " + settings_.token);
    auto response = http_.get(request);
    if (!response) return response;
    if (response->failure == TransferFailure::none && is_redirect(response->status)) {
      const auto location = response->headers.find("location");
      const std::string target =
          location == response->headers.end() ? "" : redirect_target(request.url, location->second);
      const bool downgraded = request.url.starts_with("https:") && target.starts_with("http:");
      if (target.empty() || downgraded || ++redirects > most_redirects)
        return fail(
            ErrorCode::network,
            fmt::format("{}: {}", start,
                        redirects > most_redirects ? "redirects without end" : "redirects to nowhere"),
            "Check HF_ENDPOINT and the proxy.");
      request.url = target;
      continue;
    }
    const bool cut = response->failure == TransferFailure::interrupted;
    const bool some = response->status == 206 && !response->body.empty();
    const bool stalled = response->failure == TransferFailure::timed_out && some;
    const bool busy = response->failure == TransferFailure::none && may_pass(response->status);
    if (!cut && !stalled && !busy) return response;
    if (stalled && ++attempts.stalls >= most_stalls) return tl::unexpected(refusal(path, *response));
    attempts.without_progress = some ? 0 : attempts.without_progress + 1;
    if (++attempts.all >= most_attempts || attempts.without_progress >= most_failures)
      return tl::unexpected(refusal(path, *response));
    if (some) return response;
    double pause = first_pause_seconds * (1 << (attempts.without_progress - 1));
    if (const auto asked = response->headers.find("retry-after"); busy && asked != response->headers.end())
      pause = std::max(pause, parse_retry_after(asked->second).value_or(pause));
    if (pause > longest_pause_seconds) return tl::unexpected(refusal(path, *response));
    http_.wait(pause);
    // An address of storage may have run out meanwhile.
    request.url = start;
    redirects = 0;
  }
}

Result<std::string> Hub::document(const std::string& path, Bytes most) const {
  HttpRequest request;
  request.most = most;
  Attempts attempts;
  auto response = answer(path, request, attempts);
  if (!response) return tl::unexpected(response.error());
  if (response->failure != TransferFailure::none || response->status != 200)
    return tl::unexpected(refusal(path, *response));
  return std::move(response->body);
}

Result<RemotePart> Hub::part(const std::string& path, std::int64_t first, std::int64_t length) const {
  RemotePart out;
  Attempts attempts;
  const auto lies = [&](const std::string& what) {
    return fail(ErrorCode::network, fmt::format("{}{}: {}", settings_.endpoint, path, what),
                "The server or a proxy answers range requests wrongly; download the file and name it.");
  };
  std::int64_t wanted = length;
  while (static_cast<std::int64_t>(out.bytes.size()) < wanted) {
    const auto got = static_cast<std::int64_t>(out.bytes.size());
    HttpRequest request;
    request.range = ByteRange{first + got, first + wanted - 1};
    request.most = Bytes(wanted - got);
    auto response = answer(path, request, attempts);
    if (!response) return tl::unexpected(response.error());
    if (response->status == 200) return lies("the server does not answer range requests");
    if (response->status != 206 || response->failure == TransferFailure::impossible)
      return tl::unexpected(refusal(path, *response));
    const auto header = response->headers.find("content-range");
    const auto range = header == response->headers.end() ? std::nullopt : parse_content_range(header->second);
    if (!range || range->range.first != first + got || range->range.last > request.range->last)
      return lies("the server sent another part than was asked for");
    if (out.total != 0 && out.total != range->total)
      return lies("the file changed its length while it was read");
    out.total = range->total;
    wanted = std::min(wanted, out.total - first);
    if (response->failure == TransferFailure::too_long)
      return lies("the server sent more than was asked for");
    const auto promised = range->range.last - range->range.first + 1;
    if (static_cast<std::int64_t>(response->body.size()) > promised)
      return lies("the server sent more than it announced");
    if (response->failure == TransferFailure::none &&
        static_cast<std::int64_t>(response->body.size()) < promised)
      return lies("the server sent less than it announced");
    if (response->body.empty()) return lies("the server sent nothing");
    if (response->failure == TransferFailure::none && range->range.last < first + wanted - 1 &&
        ++attempts.all >= most_attempts)
      return lies("the server sends the file in too small parts");
    out.bytes += response->body;
  }
  return out;
}

}  // namespace llmsize::hf
