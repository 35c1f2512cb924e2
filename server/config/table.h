// The table of parameters: one row for everything that a configuration file may say. The command
// line, the file parser, CONFIG GET, SET and REWRITE and `--help` all read it; nothing about a
// parameter is written anywhere else.
//
// Invariants: names and aliases are lower case and unique; a row's default is a legal value of it.
// A row with a member keeps its value in Config typed; a row without one has no meaning here and
// keeps its text in Config::inert. The table is constant and lives for ever; any thread may read
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/config.h"

namespace respcask::server {

enum class Kind : uint8_t {
  kBool,             // yes, no
  kEnum,             // one of `words`, in any case
  kWordSet,          // some of `words`; the first means none of the others
  kInteger,          // low..high
  kOctal,            // the same, in octal digits
  kMemory,           // bytes, with an optional unit: b k kb m mb g gb
  kMemoryOrPercent,  // the same, or 0%..100%
  kString,           // one word
  kPath,             // one word, made absolute
  kWords,            // any number of words
  kOutputLimits,     // class hard soft seconds, repeated
  kSavePoints,       // seconds changes, repeated; a file's lines add up
  kOomValues,        // three numbers
  kPercentiles,      // numbers 0..100
  kEvents,           // letters of keyspace notifications
  kHours,            // first-last
  // Not values but statements: a line in a file, unknown to CONFIG GET and SET.
  kUser,
  kRenameCommand,
  kLoadModule,
  kInclude,
  kForgotten,  // of older versions of Redis: one word, whatever it is
};

// What a line says, on its way from words to the member. Booleans, enumerations, integers, octals
// and events are int64_t.
using Value =
    std::variant<int64_t, uint64_t, std::string, std::vector<std::string>, MemoryOrPercent,
                 HourWindow, std::array<OutputLimit, 3>, std::array<int, 3>, std::vector<double>>;

// Stands for a member of an enumeration type.
struct EnumMember {
  int64_t (*load)(const Config&);
  void (*store)(Config&, int64_t);
};
template <auto M>
inline constexpr EnumMember kEnumMember = {
    [](const Config& c) { return static_cast<int64_t>(c.*M); },
    [](Config& c, int64_t v) { c.*M = static_cast<std::remove_cvref_t<decltype(c.*M)>>(v); }};

using Member =
    std::variant<std::monostate, EnumMember, bool Config::*, int Config::*, uint32_t Config::*,
                 int64_t Config::*, uint64_t Config::*, std::string Config::*,
                 std::vector<std::string> Config::*, MemoryOrPercent Config::*,
                 HourWindow Config::*, std::array<OutputLimit, 3> Config::*,
                 std::array<int, 3> Config::*, std::vector<double> Config::*>;

struct Row {
  std::string_view name;
  std::string_view text;  // the default, as a file would have it
  std::string_view help;
  Kind kind = Kind::kString;
  Member member = {};
  int64_t low = 0;
  uint64_t high = 0;  // for kInteger and kOctal at most INT64_MAX
  std::span<const std::string_view> words = {};
  std::string_view also = {};  // its alias, from older versions of Redis
  bool is_fixed = false;       // start-up only: "can't set immutable config"
  bool is_protected = false;   // not by CONFIG SET unless enable-protected-configs says so
  bool is_secret = false;      // its value must not be logged
  bool is_hidden = false;      // CONFIG GET shows it by its name, not by a pattern
  bool keeps_nul = false;      // its value may hold a NUL; that of other rows ends there
  // CONFIG SET accepts the value that it has already. So what CONFIG GET * says can be set again:
  // of Redis's own parameters clients know which ones to leave out.
  bool accepts_itself = false;
  // CONFIG SET raises to this what it changes, for kMemory without a member.
  int64_t least_set = 0;
  // Looks at, and may adjust, a value that is otherwise legal. Returns what is wrong, "" if
  // nothing.
  std::string_view (*check)(Value&) = nullptr;

  // A file may set it, but it has no effect.
  constexpr bool is_inert() const { return !is_statement() && member.index() == 0; }
  constexpr bool is_statement() const { return kind >= Kind::kUser; }

  constexpr bool takes_many() const {
    return kind == Kind::kWords || kind == Kind::kWordSet || kind == Kind::kOutputLimits ||
           kind == Kind::kSavePoints || kind == Kind::kOomValues || kind == Kind::kPercentiles;
  }

  // For the table alone: a copy with one more property.
  constexpr Row alias(std::string_view other) const {
    Row copy = *this;
    copy.also = other;
    return copy;
  }
  constexpr Row fixed() const {
    Row copy = *this;
    copy.is_fixed = true;
    return copy;
  }
  constexpr Row guarded() const {
    Row copy = *this;
    copy.is_protected = true;
    return copy;
  }
  // Fixed, and a parameter that Redis does not have.
  constexpr Row own_fixed() const {
    Row copy = fixed();
    copy.accepts_itself = true;
    return copy;
  }
  constexpr Row hidden() const {
    Row copy = *this;
    copy.is_hidden = true;
    return copy;
  }
  constexpr Row secret() const {
    Row copy = *this;
    copy.is_secret = true;
    return copy;
  }
  // What Redis keeps with its length, not as a C string.
  constexpr Row with_nul() const {
    Row copy = *this;
    copy.keeps_nul = true;
    return copy;
  }
  constexpr Row set_from(int64_t least) const {
    Row copy = *this;
    copy.least_set = least;
    return copy;
  }
  constexpr Row checked(std::string_view (*f)(Value&)) const {
    Row copy = *this;
    copy.check = f;
    return copy;
  }
};

struct RowGroup {
  std::string_view title;
  std::span<const Row> rows;
};

// The rows without meaning here (table_inert.cc).
std::span<const Row> inert_rows();
// All groups, in the order in which --help shows them.
std::span<const RowGroup> row_groups();

// A row's place among all rows.
using RowId = std::size_t;
std::size_t row_count();
const Row& row_at(RowId id);
// By name or alias, in any case.
std::optional<RowId> find_row(std::string_view name);
// All names and aliases of parameters (no statements), sorted.
struct RowName {
  std::string_view name;
  RowId id;
};
std::span<const RowName> parameter_names();

// The words that a row of kBool, kEnum or kWordSet takes: "no, yes, local"; "" for others.
std::string list_choices(const Row& row);

// Splits at every single space, as CONFIG SET does with the value of a parameter of many words: "a
// b" has an empty word in the middle; "" has none.
std::vector<std::string> split_on_spaces(std::string_view text);

// Makes `config` say what the words after the parameter's name say. What the words leave open (the
// other classes of kOutputLimits) stays. Returns what is wrong, "" if nothing; then `config` is
// unchanged. Not for statements.
std::string parse_value(RowId id, std::span<const std::string> words, Config& config);

// A percentile as Redis writes it: six digits behind the point, without the zeros at the end.
std::string render_percentile(double percent);
// The value as CONFIG GET shows it.
std::string render_value(RowId id, const Config& config);
// Whether CONFIG GET shows the same of both. Not for statements.
bool same_value(RowId id, const Config& a, const Config& b);
// The value as one line's words in a file, quoted where needed: parse_value of the split text gives
// the value back.
std::string render_words(RowId id, const Config& config);
// The default as CONFIG GET would show it.
const std::string& default_value(RowId id);

// What is wrong with the values taken together: the row to blame and a sentence.
struct Conflict {
  RowId id;
  std::string sentence;
};
std::optional<Conflict> find_conflict(const Config& config);

}  // namespace respcask::server
