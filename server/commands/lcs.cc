// LCS: the longest common subsequence of two strings.
//
// By dynamic programming over the prefixes of both (R. A. Wagner, M. J. Fischer, "The string-to-
// string correction problem", J. ACM 21, 1974). Of several longest subsequences clients see the one
// that the walk back finds, so its choices are Redis's: where the last bytes differ, it gives up a
// byte of the first string only if that keeps strictly more. One bit a pair of prefixes remembers
// that choice; of the lengths one row is enough.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/config/config.h"
#include "server/context.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

struct LcsOptions {
  bool length_only = false;  // LEN
  bool ranges = false;       // IDX
  bool with_match_length = false;
  int64_t least_match = 0;
};

class CommonSubsequence {
 public:
  // Without `choices` only length() may be asked for.
  CommonSubsequence(std::string_view a, std::string_view b, bool choices) : a_(a), b_(b) {
    const size_t row_words = (b.size() + 63) / 64;
    if (choices) choices_.resize(a.size() * row_words);
    // One row of lengths is enough: `above` and `corner` remember what it held a row before.
    std::vector<uint32_t> row(b.size() + 1);
    for (size_t i = 0; i < a.size(); ++i) {
      uint32_t corner = 0, left = 0;
      uint64_t word = 0;
      for (size_t j = 0; j < b.size(); ++j) {
        const uint32_t above = row[j + 1];
        word |= uint64_t{above > left} << (j % 64);
        left = a[i] == b[j] ? corner + 1 : std::max(above, left);
        corner = above;
        row[j + 1] = left;
        if (choices && (j % 64 == 63 || j + 1 == b.size())) {
          choices_[i * row_words + j / 64] = word;
          word = 0;
        }
      }
    }
    length_ = row[b.size()];
  }

  uint32_t length() const { return length_; }

  // Calls visit(i, j) for each pair of positions in a and b that match, from the last to the first.
  template <class Visit>
  void walk_back(Visit visit) const {
    size_t i = a_.size(), j = b_.size();
    while (i > 0 && j > 0) {
      if (a_[i - 1] == b_[j - 1]) {
        --i, --j;
        visit(i, j);
      } else if (drops_from_a(i - 1, j - 1)) {
        --i;
      } else {
        --j;
      }
    }
  }

 private:
  bool drops_from_a(size_t i, size_t j) const {
    const size_t row_words = (b_.size() + 63) / 64;
    return (choices_[i * row_words + j / 64] >> (j % 64) & 1) != 0;
  }

  std::string_view a_, b_;
  std::vector<uint64_t> choices_;  // a row of bits for each byte of a
  uint32_t length_ = 0;
};

// Equal substrings a[a_first ..] and b[b_first ..] of `length` bytes.
struct Match {
  size_t a_first;
  size_t b_first;
  size_t length;
};

void reply_ranges(Context& c, const CommonSubsequence& lcs, const LcsOptions& options) {
  c.reply().map(2);
  c.reply().bulk("matches");
  const resp::Writer::Mark matches = c.reply().defer();
  size_t count = 0;
  const auto reply_match = [&](const Match& match) {
    if (match.length < static_cast<uint64_t>(options.least_match)) return;
    ++count;
    c.reply().array(options.with_match_length ? 3 : 2);
    for (const size_t first : {match.a_first, match.b_first}) {
      c.reply().array(2);
      c.reply().integer(static_cast<int64_t>(first));
      c.reply().integer(static_cast<int64_t>(first + match.length - 1));
    }
    if (options.with_match_length) c.reply().integer(static_cast<int64_t>(match.length));
  };
  Match match{0, 0, 0};
  lcs.walk_back([&](size_t i, size_t j) {
    if (match.length != 0 && i + 1 == match.a_first && j + 1 == match.b_first) {
      match = {i, j, match.length + 1};
      return;
    }
    if (match.length != 0) reply_match(match);
    match = {i, j, 1};
  });
  if (match.length != 0) reply_match(match);
  c.reply().finish_array(matches, count);
  c.reply().bulk("len");
  c.reply().integer(lcs.length());
}

void reply_subsequence(Context& c, std::string_view a, const CommonSubsequence& lcs) {
  std::string text;
  text.reserve(lcs.length());
  lcs.walk_back([&](size_t i, size_t) { text.push_back(a[i]); });
  std::reverse(text.begin(), text.end());
  c.reply().bulk(text);
}

// False: replied with an error.
bool parse_options(Context& c, LcsOptions& options) {
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.arg_is(i, "IDX")) {
      options.ranges = true;
    } else if (c.arg_is(i, "LEN")) {
      options.length_only = true;
    } else if (c.arg_is(i, "WITHMATCHLEN")) {
      options.with_match_length = true;
    } else if (c.arg_is(i, "MINMATCHLEN") && i + 1 < c.argc()) {
      const auto least = c.integer_arg(++i);
      if (!least) return false;
      options.least_match = std::max<int64_t>(*least, 0);
    } else {
      c.syntax_error();
      return false;
    }
  }
  if (options.ranges && options.length_only) {
    c.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

// Redis's limits, by the table of 32-bit lengths that it keeps; ours is far smaller.
bool check_sizes(Context& c, uint64_t a, uint64_t b) {
  constexpr uint64_t kLongest = std::numeric_limits<uint32_t>::max() - 1;
  if (a >= kLongest || b >= kLongest) {
    c.error("ERR String too long for LCS");
    return false;
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow((a + 1) * (b + 1), sizeof(uint32_t), &bytes)) {
    c.error("ERR Insufficient memory, failed allocating transient memory for LCS");
    return false;
  }
  if (bytes > c.config().proto_max_bulk_len) {
    c.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return false;
  }
  return true;
}

void cmd_lcs(Context& c) {
  const KeyRef keys[] = {c.key(1), c.key(2)};
  std::optional<engine::KeydirEntry> entries[2];
  uint64_t lengths[2] = {};
  for (size_t n = 0; n < 2; ++n) entries[n] = c.find(keys[n]);
  for (size_t n = 0; n < 2; ++n) {
    if (!entries[n]) continue;
    if (TypeTag{entries[n]->type}.type() != Type::kString) {
      return c.error("ERR The specified keys must contain string values");
    }
    lengths[n] = string_length(c, keys[n], *entries[n]);
  }
  LcsOptions options;
  if (!parse_options(c, options) || !check_sizes(c, lengths[0], lengths[1])) return;
  std::string scratch[2];
  std::string_view text[2];
  for (size_t n = 0; n < 2; ++n) {
    if (entries[n]) text[n] = read_string(c, keys[n], *entries[n], scratch[n]);
  }
  if (!c.ready()) return;

  const CommonSubsequence lcs(text[0], text[1], !options.length_only);
  if (options.ranges) {
    reply_ranges(c, lcs, options);
  } else if (options.length_only) {
    c.reply().integer(lcs.length());
  } else {
    reply_subsequence(c, text[0], lcs);
  }
}

constexpr KeySpec kLcsKeys[] = {
    {.flags = kRO | kAccess, .index = 1, .last = 1},
};
constexpr Argument kLcsArgs[] = {
    {.name = "key1", .type = ArgType::kKey, .key_spec = 0},
    {.name = "key2", .type = ArgType::kKey, .key_spec = 0},
    {.name = "len", .type = ArgType::kPureToken, .token = "LEN", .flags = kOptional},
    {.name = "idx", .type = ArgType::kPureToken, .token = "IDX", .flags = kOptional},
    {.name = "len", .type = ArgType::kInteger, .token = "MINMATCHLEN", .flags = kOptional},
    {.name = "withmatchlen",
     .type = ArgType::kPureToken,
     .token = "WITHMATCHLEN",
     .flags = kOptional},
};
constexpr Command kLcsRows[] = {
    {.name = "lcs",
     .handler = cmd_lcs,
     .arity = -3,
     .flags = kReadonly,
     .keys = kLcsKeys,
     .group = Group::kString,
     .since = "7.0.0",
     .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively",
     .summary = "Find longest common substring",
     .arguments = kLcsArgs,
     .categories = kCatString},
};
static_assert(check_rows(kLcsRows));

}  // namespace

std::span<const Command> lcs_commands() {
  return kLcsRows;
}

}  // namespace respcask::server
