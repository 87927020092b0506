#include "llmsize/hf/repository.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/text.hpp"

namespace llmsize::hf {
namespace {

constexpr std::string_view prefix = "hf:";
/// More files than any model has (the largest published have some hundred shards).
constexpr std::size_t most_files = 20'000;
constexpr std::size_t longest_part = 128;
constexpr std::string_view usual_quant = "Q4_K_M";
/// GGUF files that are no language models of their own.
constexpr std::string_view companions[] = {"mmproj", "imatrix", "mtp-", "draft"};

bool is_plain(std::string_view part) {
  return !part.empty() && part.size() <= longest_part && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

/// Whether a listed path stays below the repository and can be shown.
bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024 || path.front() == '/') return false;
  while (true) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    const bool shown =
        std::all_of(part.begin(), part.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
    if (part.empty() || part == "." || part == ".." || !shown) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string_view file_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// Whether `word` stands in `text` between separators. Both in lower case.
bool has_word(std::string_view text, std::string_view word) {
  const auto parts = [&](std::size_t at) { return std::isalnum(static_cast<unsigned char>(text[at])) == 0; };
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    // "Q4_K" is another type than "Q4_K_M".
    const bool begins = at == 0 || parts(at - 1);
    const bool ends = end == text.size() || (parts(end) && text[end] != '_');
    if (begins && ends) return true;
  }
  return false;
}

/// A later shard ("…-00002-of-00003.gguf") stands for no model of its own.
bool is_later_shard(std::string_view path) {
  constexpr std::string_view of = "-of-";
  constexpr std::size_t digits = 5;
  const auto at = path.rfind(of);
  return at != std::string_view::npos && at >= digits && path.substr(at - digits, digits) != "00001" &&
         std::all_of(path.begin() + static_cast<std::ptrdiff_t>(at - digits),
                     path.begin() + static_cast<std::ptrdiff_t>(at),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// The shortest of `paths` that names `quant`; empty where none does.
std::string match(const std::vector<std::string>& paths, std::string_view quant) {
  const std::string wanted = lower_case(quant);
  std::string best;
  for (const auto& path : paths) {
    const std::string text = lower_case(path);
    if (text == wanted || file_name(text) == wanted) return path;
    // A dense family's name may hold the word too, so the file's own name decides before its folder's.
    if ((has_word(file_name(text), wanted) || has_word(text, wanted)) &&
        (best.empty() || path.size() < best.size()))
      best = path;
  }
  return best;
}

}  // namespace

bool is_model_file(std::string_view path) {
  const std::string name = lower_case(file_name(path));
  return name.ends_with(".gguf") && !is_later_shard(name) &&
         std::none_of(std::begin(companions), std::end(companions),
                      [&](auto word) { return name.find(word) != std::string::npos; });
}

Result<RepositoryName> parse_repository_name(std::string_view name) {
  RepositoryName out;
  std::string_view rest = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    out.quant = std::string(rest.substr(colon + 1));
    rest = rest.substr(0, colon);
  }
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    out.revision = std::string(rest.substr(at + 1));
    rest = rest.substr(0, at);
  }
  const auto slash = rest.find('/');
  const bool two_parts =
      slash != std::string_view::npos && is_plain(rest.substr(0, slash)) && is_plain(rest.substr(slash + 1));
  if (!two_parts || !is_plain(out.revision) || (!out.quant.empty() && !is_safe_path(out.quant)))
    return fail(ErrorCode::usage,
                fmt::format("\"{}\" is not hf:ORG/REPO[:QUANT]", name.substr(0, longest_part * 2)),
                "For example hf:unsloth/Qwen3-8B-GGUF:Q4_K_M, or hf:Qwen/Qwen3-8B.");
  out.id = std::string(rest);
  return out;
}

const RepositoryFile* Repository::find(std::string_view path) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

Result<Repository> parse_repository(std::string_view json) {
  const auto malformed = [](const char* what) {
    return fail(ErrorCode::malformed, fmt::format("the hub's answer {}", what),
                "Check HF_ENDPOINT; it may not be a model hub.");
  };
  const auto document = nlohmann::json::parse(json, nullptr, false);
  if (!document.is_object()) return malformed("is not a JSON object");
  const auto commit = document.find("sha"), siblings = document.find("siblings");
  if (commit == document.end() || !commit->is_string() || !is_plain(commit->get_ref<const std::string&>()))
    return malformed("has no commit (\"sha\")");
  if (siblings == document.end() || !siblings->is_array()) return malformed("lists no files (\"siblings\")");
  if (siblings->size() > most_files) return malformed("lists too many files");
  Repository out;
  out.commit = commit->get<std::string>();
  for (const auto& sibling : *siblings) {
    if (!sibling.is_object()) continue;
    const auto path = sibling.find("rfilename"), size = sibling.find("size");
    if (path == sibling.end() || !path->is_string() || !is_safe_path(path->get_ref<const std::string&>()))
      continue;
    RepositoryFile file{path->get<std::string>(), std::nullopt};
    if (size != sibling.end() && size->is_number_unsigned() &&
        size->get<std::uint64_t>() <= static_cast<std::uint64_t>(Bytes::highest))
      file.size = Bytes(size->get<std::int64_t>());
    out.files.push_back(std::move(file));
  }
  return out;
}

Result<std::optional<std::string>> choose_gguf(const std::vector<RepositoryFile>& files,
                                               std::string_view quant, std::string_view shown_name) {
  std::vector<std::string> models;
  for (const auto& file : files)
    if (is_model_file(file.path)) models.push_back(file.path);
  if (models.empty()) return std::optional<std::string>();
  std::string chosen = match(models, quant.empty() ? usual_quant : quant);
  if (chosen.empty() && quant.empty()) chosen = models.front();
  if (!chosen.empty()) return std::optional(std::move(chosen));
  constexpr std::size_t most_named = 12;
  std::vector<std::string> named(
      models.begin(), models.begin() + static_cast<std::ptrdiff_t>(std::min(models.size(), most_named)));
  if (models.size() > most_named) named.emplace_back("…");
  return fail(ErrorCode::not_found, fmt::format("{}: no GGUF file is named {}", shown_name, quant),
              fmt::format("There are: {}.", fmt::join(named, ", ")));
}

std::string choose_projector(const std::vector<RepositoryFile>& files) {
  std::string chosen;
  for (const auto& file : files) {
    const std::string name = lower_case(file_name(file.path));
    if (!name.ends_with(".gguf") || name.find("mmproj") == std::string::npos) continue;
    if (has_word(name, "f16")) return file.path;
    if (chosen.empty()) chosen = file.path;
  }
  return chosen;
}

}  // namespace llmsize::hf
