// Values: from words to typed members and back to text, exactly as Redis 7.0 writes them.
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "resp/number.h"
#include "server/config/table.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

using Words = std::span<const std::string>;
// A value, or what is wrong with the words.
struct Parsed {
  Value value;
  std::string wrong = {};
};

Parsed wrong(std::string sentence) {
  return {int64_t{0}, std::move(sentence)};
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

template <class Words>
std::string join(const Words& words, std::string_view separator) {
  std::string out;
  for (const auto& word : words) {
    if (&word != &*std::begin(words)) out += separator;
    out += word;
  }
  return out;
}

std::string_view until_nul(std::string_view word) {
  return word.substr(0, word.find('\0'));
}

// As strtoll() reads it, if it reads all of it: white space and a sign may come before the digits,
// nothing is 0. Nothing also where the number does not fit.
std::optional<int64_t> parse_as_strtoll(const std::string& word, int base = 10) {
  char* end = nullptr;
  errno = 0;
  const long long number = std::strtoll(word.c_str(), &end, base);
  if (*end != '\0' || errno == ERANGE) return std::nullopt;
  return number;
}

// --- one word ---------------------------------------------------------------------------------

Parsed parse_bool(const std::string& word) {
  if (equal_ignoring_case(word, "yes")) return {int64_t{1}};
  if (equal_ignoring_case(word, "no")) return {int64_t{0}};
  return wrong("argument must be 'yes' or 'no'");
}

std::optional<int64_t> find_word(const Row& row, std::string_view word) {
  for (std::size_t i = 0; i < row.words.size(); ++i) {
    if (equal_ignoring_case(row.words[i], word)) return static_cast<int64_t>(i);
  }
  return std::nullopt;
}

Parsed wrong_choice(const Row& row) {
  return wrong("argument(s) must be one of the following: " + join(row.words, ", "));
}

Parsed parse_enum(const Row& row, const std::string& word) {
  if (const auto found = find_word(row, word)) return {*found};
  return wrong_choice(row);
}

Parsed parse_integer(const Row& row, const std::string& word) {
  const auto number = resp::parse_int64(word);
  if (!number) return wrong("argument couldn't be parsed into an integer");
  if (*number < row.low || (*number > 0 && static_cast<uint64_t>(*number) > row.high)) {
    return wrong(fmt::format("argument must be between {} and {} inclusive", row.low, row.high));
  }
  return {*number};
}

std::string octal(int64_t number) {
  char text[24];
  return std::string(text, std::to_chars(text, std::end(text), number, 8).ptr);
}

Parsed parse_octal(const Row& row, const std::string& word) {
  const auto number = parse_as_strtoll(word, 8);
  if (!number) return wrong("argument couldn't be parsed as an octal number");
  if (*number < row.low || static_cast<uint64_t>(*number) > row.high) {
    return wrong(fmt::format("argument must be between {} and {} inclusive", octal(row.low),
                             octal(static_cast<int64_t>(row.high))));
  }
  return {*number};
}

// "10", "10k" (1000), "10kb" (1024), ...; "" is 0. More digits than 64 bits hold saturate.
std::optional<uint64_t> parse_memory(std::string_view word) {
  constexpr struct {
    std::string_view name;
    uint64_t bytes;
  } kUnits[] = {{"", 1},
                {"b", 1},
                {"k", 1000},
                {"kb", 1 << 10},
                {"m", 1000 * 1000},
                {"mb", 1 << 20},
                {"g", 1000 * 1000 * 1000},
                {"gb", 1 << 30}};
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const std::size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  const std::string_view unit = word.substr(digits);
  const auto found = std::ranges::find_if(
      kUnits, [&](const auto& known) { return equal_ignoring_case(known.name, unit); });
  if (found == std::end(kUnits) || (digits == 0 && !unit.empty())) return std::nullopt;
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + digits, number);
  if (error == std::errc::result_out_of_range) number = kMost;
  if (number > kMost / found->bytes) return found->bytes == 1 ? std::optional(kMost) : std::nullopt;
  return number * found->bytes;
}

std::string memory_range_error(const Row& row) {
  return fmt::format("argument must be between {} and {} inclusive", row.low, row.high);
}

Parsed parse_memory(const Row& row, const std::string& word) {
  const auto bytes = parse_memory(word);
  if (!bytes) return wrong("argument must be a memory value");
  if (*bytes < static_cast<uint64_t>(row.low) || *bytes > row.high) {
    return wrong(memory_range_error(row));
  }
  return {*bytes};
}

Parsed parse_memory_or_percent(const std::string& word) {
  constexpr std::string_view kWrong = "argument must be a memory or percent value";
  constexpr std::string_view kTooMuch = "percentage argument must be less or equal to 100";
  if (const auto bytes = parse_memory(until_nul(word))) {
    if (*bytes <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return {MemoryOrPercent{*bytes, 0}};
    }
    // Redis keeps percent as a negative number, and so bytes of 64 bits become percent.
    const uint64_t percent = 0 - *bytes;
    if (percent > 100) return wrong(std::string(kTooMuch));
    return {MemoryOrPercent{0, static_cast<uint32_t>(percent)}};
  }
  if (word.size() > 1 && word.back() == '%') {
    const auto percent = resp::parse_int64(std::string_view(word).substr(0, word.size() - 1));
    if (!percent || *percent < 0) return wrong(std::string(kWrong));
    if (*percent > 100) return wrong(std::string(kTooMuch));
    return {MemoryOrPercent{0, static_cast<uint32_t>(*percent)}};
  }
  return wrong(std::string(kWrong));
}

constexpr struct {
  char letter;
  uint32_t bit;
} kEventLetters[] = {{'g', kNotifyGeneric},  {'$', kNotifyString},  {'l', kNotifyList},
                     {'s', kNotifySet},      {'h', kNotifyHash},    {'z', kNotifyZset},
                     {'x', kNotifyExpired},  {'e', kNotifyEvicted}, {'t', kNotifyStream},
                     {'d', kNotifyModule},   {'n', kNotifyNew},     {'K', kNotifyKeyspace},
                     {'E', kNotifyKeyevent}, {'m', kNotifyMiss},    {'A', kNotifyAll}};

Parsed parse_events(const std::string& word) {
  uint32_t bits = 0;
  for (const char c : word) {
    const auto found =
        std::ranges::find_if(kEventLetters, [&](const auto& known) { return known.letter == c; });
    if (found == std::end(kEventLetters)) {
      return wrong("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    }
    bits |= found->bit;
  }
  return {int64_t{bits}};
}

std::string render_events(uint32_t bits) {
  std::string text;
  const bool all = (bits & kNotifyAll) == kNotifyAll;
  if (all) text += 'A';
  for (const auto& [letter, bit] : kEventLetters) {
    if (letter == 'A' || (bits & bit) == 0) continue;
    // Redis shows n only where it does not show A.
    const bool is_class = (bit & (kNotifyAll | kNotifyNew)) != 0;
    if (!(all && is_class)) text += letter;
  }
  return text;
}

Parsed parse_hours(std::string_view word) {
  constexpr std::string_view kWrong = "argument must be two hours such as 0-23";
  const std::size_t dash = word.find('-');
  if (dash == word.npos) return wrong(std::string(kWrong));
  const auto first = resp::parse_int64(word.substr(0, dash));
  const auto last = resp::parse_int64(word.substr(dash + 1));
  const auto is_hour = [](const auto& hour) { return hour && *hour >= 0 && *hour <= 23; };
  if (!is_hour(first) || !is_hour(last)) return wrong(std::string(kWrong));
  return {HourWindow{static_cast<uint32_t>(*first), static_cast<uint32_t>(*last)}};
}

Parsed parse_path(const std::string& word) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(word, error).lexically_normal();
  if (word.empty() || error) return wrong("argument must be the path of a directory");
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return {path.string()};
}

// --- many words -------------------------------------------------------------------------------

Parsed parse_word_set(const Row& row, Words words) {
  uint32_t bits = 0;
  for (const std::string& word : words) {
    const auto found = find_word(row, word);
    if (!found) return wrong_choice(row);
    bits |= 1u << *found;
  }
  if (words.empty()) return wrong_choice(row);
  if (bits > 1) bits &= ~1u;
  // The table's only word sets are those of SHUTDOWN, whose second and third words exclude each
  // other.
  if ((bits & 6) == 6)
    return wrong("shutdown options SAVE and NOSAVE can't be used simultaneously");
  std::string text;
  for (std::size_t i = 0; i < row.words.size(); ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!text.empty()) text += ' ';
    text += row.words[i];
  }
  return {std::move(text)};
}

constexpr std::string_view kClassNames[] = {"normal", "slave", "pubsub"};

Parsed parse_output_limits(Words words, std::array<OutputLimit, 3> limits) {
  if (words.size() % 4 != 0) {
    return wrong("Wrong number of arguments in buffer limit configuration.");
  }
  for (std::size_t i = 0; i < words.size(); i += 4) {
    const std::string_view name =
        equal_ignoring_case(words[i], "replica") ? kClassNames[1] : std::string_view(words[i]);
    const auto known = std::ranges::find_if(
        kClassNames, [&](std::string_view k) { return equal_ignoring_case(k, name); });
    if (known == std::end(kClassNames)) {
      return wrong("Invalid client class specified in buffer limit configuration.");
    }
    const auto hard = parse_memory(words[i + 1]);
    const auto soft = parse_memory(words[i + 2]);
    const auto number = parse_as_strtoll(words[i + 3]);
    const auto seconds = static_cast<int32_t>(number.value_or(-1));
    if (!hard || !soft || seconds < 0) {
      return wrong("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    limits[static_cast<std::size_t>(known - kClassNames)] = {*hard, *soft,
                                                             static_cast<uint64_t>(seconds)};
  }
  return {limits};
}

Parsed parse_save_points(Words words) {
  constexpr std::string_view kWrong = "Invalid save parameters";
  if (words.size() == 1 && words[0].empty()) return {std::string()};
  if (words.size() % 2 != 0) return wrong(std::string(kWrong));
  std::vector<std::string> points;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const auto seconds = parse_as_strtoll(words[i]);
    const auto changes = parse_as_strtoll(words[i + 1]);
    if (!seconds || *seconds < 1 || !changes || *changes < 0) return wrong(std::string(kWrong));
    points.push_back(fmt::format("{} {}", *seconds, *changes));
  }
  return {join(points, " ")};
}

Parsed parse_oom_values(Words words) {
  std::array<int, 3> values{};
  if (words.size() != values.size()) return wrong("wrong number of arguments");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto number = parse_as_strtoll(words[i]);
    if (!number || *number < -2000 || *number > 2000) {
      return wrong("Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    }
    values[i] = static_cast<int>(*number);
  }
  return {values};
}

Parsed parse_percentiles(Words words) {
  std::vector<double> values;
  if (words.size() == 1 && words[0].empty()) return {values};
  for (const std::string& word : words) {
    const auto number = resp::parse_double(word);
    if (!number) return wrong("Invalid latency-tracking-info-percentiles parameters");
    if (*number < 0 || *number > 100) {
      return wrong("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
    values.push_back(*number);
  }
  return {values};
}

// --- rows -------------------------------------------------------------------------------------

// Redis reads most values as C strings, which end at a NUL; some it takes with their length.
std::vector<std::string> end_at_nul(const Row& row, Words words) {
  std::vector<std::string> ended(words.begin(), words.end());
  const bool as_they_are = row.keeps_nul || row.kind == Kind::kInteger ||
                           row.kind == Kind::kMemoryOrPercent || row.kind == Kind::kPercentiles;
  // Of words, "" alone says that there are none, which a NUL does not say.
  const bool is_nul = row.kind == Kind::kWords && words.size() == 1 && words[0].starts_with('\0');
  if (as_they_are || is_nul) return ended;
  for (std::string& word : ended) word.resize(until_nul(word).size());
  return ended;
}

Parsed parse(const Row& row, Words words, const Config& config) {
  if (!row.takes_many() && words.size() != 1) return wrong("wrong number of arguments");
  switch (row.kind) {
    case Kind::kBool:
      return parse_bool(words[0]);
    case Kind::kEnum:
      return parse_enum(row, words[0]);
    case Kind::kWordSet:
      return parse_word_set(row, words);
    case Kind::kInteger:
      return parse_integer(row, words[0]);
    case Kind::kOctal:
      return parse_octal(row, words[0]);
    case Kind::kMemory:
      return parse_memory(row, words[0]);
    case Kind::kMemoryOrPercent:
      return parse_memory_or_percent(words[0]);
    case Kind::kString:
      return {words[0]};
    case Kind::kPath:
      return parse_path(words[0]);
    case Kind::kWords:
      return {std::vector<std::string>(words.begin(), words.end())};
    case Kind::kOutputLimits:
      return parse_output_limits(words, config.client_output_buffer_limit);
    case Kind::kSavePoints:
      return parse_save_points(words);
    case Kind::kOomValues:
      return parse_oom_values(words);
    case Kind::kPercentiles:
      return parse_percentiles(words);
    case Kind::kEvents:
      return parse_events(words[0]);
    case Kind::kHours:
      return parse_hours(words[0]);
    case Kind::kUser:
    case Kind::kRenameCommand:
    case Kind::kLoadModule:
    case Kind::kInclude:
    case Kind::kForgotten:
      break;
  }
  assert(false);  // a statement has no value
  return wrong("");
}

std::string render(const Row& row, const Value& value) {
  return std::visit(
      Overloaded{
          [&](int64_t number) -> std::string {
            switch (row.kind) {
              case Kind::kBool:
                return number != 0 ? "yes" : "no";
              case Kind::kEnum:
                return std::string(row.words[static_cast<std::size_t>(number)]);
              case Kind::kOctal:
                return octal(number);
              case Kind::kEvents:
                return render_events(static_cast<uint32_t>(number));
              default:
                return std::to_string(number);
            }
          },
          [](uint64_t bytes) { return std::to_string(bytes); },
          [](const std::string& text) { return text; },
          [](const std::vector<std::string>& words) { return join(words, " "); },
          [](const MemoryOrPercent& m) {
            return m.percent != 0 ? fmt::format("{}%", m.percent) : std::to_string(m.bytes);
          },
          [](const HourWindow& w) { return fmt::format("{}-{}", w.first, w.last); },
          [](const std::array<OutputLimit, 3>& limits) {
            std::string text;
            for (std::size_t i = 0; i < limits.size(); ++i) {
              text += fmt::format("{}{} {} {} {}", i == 0 ? "" : " ", kClassNames[i],
                                  limits[i].hard_bytes, limits[i].soft_bytes, limits[i].soft_s);
            }
            return text;
          },
          [](const std::array<int, 3>& v) { return fmt::format("{} {} {}", v[0], v[1], v[2]); },
          [](const std::vector<double>& numbers) {
            std::vector<std::string> words;
            for (const double number : numbers) words.push_back(render_percentile(number));
            return join(words, " ");
          }},
      value);
}

// Booleans, enumerations and all integers but memory pass as int64_t.
template <class T>
inline constexpr bool kIsNumber = std::is_same_v<T, bool> || std::is_integral_v<T>;

void store(RowId id, Value value, Config& config) {
  const Row& row = row_at(id);
  std::visit(Overloaded{[&](std::monostate) { config.inert[id] = render(row, value); },
                        [&](const EnumMember& m) { m.store(config, std::get<int64_t>(value)); },
                        [&]<class T>(T Config::*m) {
                          if constexpr (kIsNumber<T>) {
                            if (const auto* bytes = std::get_if<uint64_t>(&value)) {
                              config.*m = static_cast<T>(*bytes);
                            } else {
                              config.*m = static_cast<T>(std::get<int64_t>(value));
                            }
                          } else {
                            config.*m = std::get<T>(std::move(value));
                          }
                        }},
             row.member);
}

Value load(const Row& row, const Config& config) {
  return std::visit(Overloaded{[](std::monostate) -> Value { return std::string(); },
                               [&](const EnumMember& m) -> Value { return m.load(config); },
                               [&]<class T>(T Config::*m) -> Value {
                                 if constexpr (kIsNumber<T>) {
                                   if (row.kind == Kind::kMemory)
                                     return static_cast<uint64_t>(config.*m);
                                   return static_cast<int64_t>(config.*m);
                                 } else {
                                   return config.*m;
                                 }
                               }},
                    row.member);
}

// A word as a file would have it: bare where the bytes allow, else in double quotes.
std::string quote(std::string_view word) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  const auto is_bare = [](unsigned char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\';
  };
  if (!word.empty() && std::ranges::all_of(word, is_bare)) return std::string(word);
  std::string text = "\"";
  for (const char c : word) {
    switch (c) {
      case '"':
      case '\\':
        text += '\\';
        text += c;
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      default:
        if (c >= ' ' && c < 0x7f) {
          text += c;
        } else {
          const auto byte = static_cast<unsigned char>(c);
          text += "\\x";
          text += kHexDigits[byte >> 4];
          text += kHexDigits[byte & 15];
        }
    }
  }
  return text += '"';
}

}  // namespace

std::string render_percentile(double percent) {
  std::string text = fmt::format("{:.6f}", percent);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string list_choices(const Row& row) {
  return row.kind == Kind::kBool ? "yes, no" : join(row.words, ", ");
}

std::vector<std::string> split_on_spaces(std::string_view text) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  for (;;) {
    const std::size_t space = text.find(' ');
    words.emplace_back(text.substr(0, space));
    if (space == text.npos) return words;
    text.remove_prefix(space + 1);
  }
}

std::string parse_value(RowId id, std::span<const std::string> words, Config& config) {
  const Row& row = row_at(id);
  Parsed parsed = parse(row, end_at_nul(row, words), config);
  if (!parsed.wrong.empty()) return std::move(parsed.wrong);
  if (row.check != nullptr) {
    if (const std::string_view sentence = row.check(parsed.value); !sentence.empty()) {
      return std::string(sentence);
    }
  }
  store(id, std::move(parsed.value), config);
  return {};
}

std::string render_value(RowId id, const Config& config) {
  const Row& row = row_at(id);
  return row.is_inert() ? config.inert[id] : render(row, load(row, config));
}

bool same_value(RowId id, const Config& a, const Config& b) {
  const Row& row = row_at(id);
  const bool same =
      std::visit(Overloaded{[&](std::monostate) { return a.inert[id] == b.inert[id]; },
                            [&](const EnumMember& m) { return m.load(a) == m.load(b); },
                            [&]<class T>(T Config::*m) { return a.*m == b.*m; }},
                 row.member);
  // Percentiles are shown with fewer digits than they are kept with.
  return same || render_value(id, a) == render_value(id, b);
}

std::string render_words(RowId id, const Config& config) {
  const Row& row = row_at(id);
  const std::string value = render_value(id, config);
  if (!row.takes_many() || value.empty()) return quote(value);
  // Word by word: one may be empty or hold a space or a quote.
  std::vector<std::string> words;
  if (row.kind == Kind::kWords && !row.is_inert()) {
    words = std::get<std::vector<std::string>>(load(row, config));
  } else {
    words = split_on_spaces(value);
  }
  for (std::string& word : words) word = quote(word);
  return join(words, " ");
}

}  // namespace respcask::server
