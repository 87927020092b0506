#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/units.hpp"

namespace llmsize {

/// Levenshtein distance in bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The distance of `word` to the part of `text` that is nearest to it: 0 where `text` holds it.
std::size_t edit_distance_within(std::string_view word, std::string_view text);

/// The candidate that most resembles `word`; empty where none comes within a third of its length.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

/// ASCII letters in lower case, all else as it was.
std::string lower_case(std::string_view text);

/// Letters and digits alone, in lower case: "Apache 2.0" and "apache-2.0" are one name.
std::string folded_name(std::string_view text);

/// `text` with what a terminal takes for a command made '?': the control characters of ASCII but those in
/// `kept`, and those that UTF-8 writes in two bytes. Names come from files, firmware and recordings of
/// others.
std::string printable(std::string text, std::string_view kept = {});

/// Binary units for people: "812 B", "4.36 MiB", "17.28 GiB". Negative sizes keep their sign.
std::string size_text(Bytes size);

/// Parameters for people: "494 M", "7.62 B", "1.03 T".
std::string params_text(ParamCount params);

/// 12345678 as "12,345,678".
std::string grouped(std::int64_t number);

}  // namespace llmsize
