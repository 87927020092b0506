#include "llmsize/core/cpu_name.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace llmsize {
namespace {

/// Words that carry no model number.
constexpr std::array idle_words = {"CPU", "Processor", "processor", "0"};

void erase_all(std::string& text, std::string_view part) {
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos;) text.erase(at, part.size());
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while ((begin = text.find_first_not_of(' ', begin)) != std::string::npos) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

}  // namespace

std::string plain_cpu_name(std::string_view model) {
  std::string text(model.substr(0, 256));
  for (const char* mark : {"(R)", "(r)", "(TM)", "(tm)"}) erase_all(text, mark);
  // Clock, and the graphics beside the cores.
  for (const char* tail : {" @ ", " w/ ", " with "})
    if (const auto at = text.find(tail); at != std::string::npos) text.erase(at);
  std::string name;
  for (const auto& word : words_of(text)) {
    const bool counts_cores = word.ends_with("-Core") || word.ends_with("-Cores");
    // Intel's desktop names begin with the generation: "13th Gen Intel Core …".
    const bool generation =
        word == "Gen" || word.ends_with("th") || word.ends_with("rd") || word.ends_with("nd");
    const bool idle = std::find(idle_words.begin(), idle_words.end(), word) != idle_words.end();
    if (counts_cores || idle ||
        (generation && name.find(' ') == std::string::npos && !name.starts_with("AMD")))
      continue;
    name += (name.empty() ? "" : " ") + word;
  }
  return name;
}

}  // namespace llmsize
