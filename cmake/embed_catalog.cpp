// Build-time generator: turns the JSON catalogs into one C++ source that holds each entry's text and an
// index.
//
// usage: embed_catalog DATA_FOLDER OUTPUT.cpp
//
// Every catalog file is {"kind": "...", "entries": [{"id": "...", ...}, ...]}. The generator only finds where
// entries begin and end and copies their id, aliases and total_params into the index; it does not judge their
// content: that is the catalog module's work, at run time, for embedded and user catalogs alike.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Entry {
  std::string kind, id, file, aliases, text;
  std::string total_params = "0";
  std::size_t position = 0;
};

/// Walks JSON text structurally: enough to find values' extents, no more.
class Scanner {
 public:
  Scanner(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  char peek() {
    skip_space();
    if (at_ >= text_.size()) fail("ends too early");
    return text_[at_];
  }
  void expect(char c) {
    if (peek() != c) fail(std::string("expected '") + c + "'");
    ++at_;
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  std::string string() {
    expect('"');
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') out += text_[at_++];
      if (at_ < text_.size()) out += text_[at_++];
    }
    expect('"');
    return out;
  }
  /// Passes over one value and returns its text.
  std::string_view value() {
    skip_space();
    const std::size_t begin = at_;
    const char c = peek();
    if (c == '"') {
      string();
    } else if (c == '{' || c == '[') {
      const char close = c == '{' ? '}' : ']';
      ++at_;
      while (!accept(close)) {
        if (c == '{') {
          string();
          expect(':');
        }
        value();
        if (peek() != close) expect(',');
      }
    } else {
      while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos)
        ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw std::runtime_error(file_ + ": " + why + " at byte " + std::to_string(at_));
  }

 private:
  std::string_view text_;
  std::string file_;
  std::size_t at_ = 0;
};

Entry read_entry(std::string_view text, const std::string& kind, const std::string& file,
                 std::size_t position) {
  Entry entry{kind, "", file, "", std::string(text)};
  entry.position = position;
  Scanner scan(text, file + " entry " + std::to_string(position));
  scan.expect('{');
  while (!scan.accept('}')) {
    const std::string key = scan.string();
    scan.expect(':');
    if (key == "id") {
      entry.id = scan.string();
    } else if (key == "aliases") {
      Scanner list(scan.value(), file);
      list.expect('[');
      while (!list.accept(']')) {
        entry.aliases += list.string() + '\n';
        if (list.peek() != ']') list.expect(',');
      }
    } else if (key == "total_params") {
      const std::string number(scan.value());
      if (number.find_first_not_of("0123456789") == std::string::npos) entry.total_params = number;
    } else {
      scan.value();
    }
    if (scan.peek() != '}') scan.expect(',');
  }
  if (entry.id.empty()) scan.fail("an entry without an id");
  return entry;
}

void read_file(const std::filesystem::path& path, const std::string& name, std::vector<Entry>& entries) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream buffer;
  buffer << in.rdbuf();
  const std::string text = buffer.str();
  Scanner scan(text, name);
  std::string kind;
  scan.expect('{');
  while (!scan.accept('}')) {
    const std::string key = scan.string();
    scan.expect(':');
    if (key == "kind") {
      kind = scan.string();
    } else if (key == "entries") {
      if (kind.empty()) scan.fail("\"kind\" must come before \"entries\"");
      scan.expect('[');
      for (std::size_t position = 0; !scan.accept(']'); ++position) {
        scan.skip_space();
        entries.push_back(read_entry(scan.value(), kind, name, position));
        if (scan.peek() != ']') scan.expect(',');
      }
    } else {
      scan.value();
    }
    if (scan.peek() != '}') scan.expect(',');
  }
}

/// A std::string_view of a C++ string literal. Octal escapes keep bytes above 127 and control characters
/// exact; the length is stated, because counting half a megabyte exceeds what Clang evaluates in a constant
/// expression.
std::string literal(std::string_view text) {
  std::string out = "{\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 32 || byte > 126) {
      const char digits[] = {'\\', static_cast<char>('0' + (byte >> 6)),
                             static_cast<char>('0' + ((byte >> 3) & 7)), static_cast<char>('0' + (byte & 7)),
                             0};
      out += digits;
    } else {
      out += c;
    }
  }
  return out + "\", " + std::to_string(text.size()) + "}";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: embed_catalog DATA_FOLDER OUTPUT.cpp\n";
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[1];
    std::vector<std::filesystem::path> paths;
    for (const auto& item : std::filesystem::recursive_directory_iterator(folder))
      if (item.path().extension() == ".json") paths.push_back(item.path());
    std::sort(paths.begin(), paths.end());
    std::vector<Entry> entries;
    for (const auto& path : paths)
      read_file(path, std::filesystem::relative(path, folder).generic_string(), entries);
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.kind != b.kind ? a.kind < b.kind : a.id < b.id;
    });
    for (std::size_t i = 1; i < entries.size(); ++i)
      if (entries[i].kind == entries[i - 1].kind && entries[i].id == entries[i - 1].id)
        throw std::runtime_error(entries[i].file + ": " + entries[i].kind + " \"" + entries[i].id +
                                 "\" is also in " + entries[i - 1].file);
    std::ofstream out(argv[2], std::ios::binary | std::ios::trunc);
    out << "// Generated from the catalogs in data/. Do not edit.\n"
           "#include \"llmsize/catalog/embedded.hpp\"\n\n"
           "namespace llmsize::catalog {\nnamespace {\n"
           "constexpr EmbeddedEntry entries[] = {\n";
    for (const auto& e : entries)
      out << "{" << literal(e.kind) << ", " << literal(e.id) << ", " << literal(e.file) << ", " << e.position
          << ", " << literal(e.aliases) << ", " << e.total_params << "LL,\n " << literal(e.text) << "},\n";
    out << "};\n}  // namespace\n"
           "std::span<const EmbeddedEntry> embedded_entries() { return entries; }\n"
           "}  // namespace llmsize::catalog\n";
    return out.good() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "embed_catalog: " << error.what() << '\n';
    return 1;
  }
}
