// Fuzz target: patterns match what they match in Redis.
//
// Input: a byte (its lowest bit: without regard to case), the size of the pattern, the pattern, the
// text.
#include <cctype>
#include <string>
#include <vector>

#include "server/glob.h"
#include "tests/fuzz/input.h"

namespace respcask::server {
namespace {

using fuzz::Input;
using fuzz::require;

// The rules again, one after the other and with no thought of speed, but for a table of what has
// been looked at already. Bytes are compared as Redis does, as signed ones.
class PlainMatcher {
 public:
  PlainMatcher(std::string_view pattern, std::string_view text, bool ignore_case)
      : pattern_(pattern),
        text_(text),
        ignore_case_(ignore_case),
        seen_((pattern.size() + 1) * (text.size() + 1)) {}

  bool matches() { return matches(0, 0); }

 private:
  bool matches(size_t p, size_t t) {
    char& seen = seen_[p * (text_.size() + 1) + t];
    if (seen == 0) seen = look(p, t) ? 'y' : 'n';
    return seen == 'y';
  }

  bool look(size_t p, size_t t) {
    if (p == pattern_.size()) return t == text_.size();
    if (pattern_[p] == '*') {
      // Nothing is matched by stars alone where there was a byte before.
      if (t == text_.size()) return t > 0 && matches(p + 1, t);
      return matches(p + 1, t) || matches(p, t + 1);
    }
    if (t == text_.size()) return false;
    const char c = text_[t];
    if (pattern_[p] == '?') return matches(p + 1, t + 1);
    if (pattern_[p] == '[') return in_class(p, c) && matches(p, t + 1);
    if (pattern_[p] == '\\' && p + 1 < pattern_.size()) ++p;
    return fold(pattern_[p]) == fold(c) && matches(p + 1, t + 1);
  }

  // Moves `p` from the bracket behind the class.
  bool in_class(size_t& p, char c) const {
    const auto at = [&](size_t i) { return pattern_[i]; };
    ++p;
    const bool negated = p < pattern_.size() && at(p) == '^';
    if (negated) ++p;
    bool found = false;
    while (p < pattern_.size() && at(p) != ']') {
      const size_t left = pattern_.size() - p;
      if (at(p) == '\\' && left >= 2) {
        found |= at(p + 1) == c;
        p += 2;
      } else if (left >= 3 && at(p + 1) == '-') {
        const signed char from = std::min<signed char>(at(p), at(p + 2));
        const signed char to = std::max<signed char>(at(p), at(p + 2));
        found |= fold(from) <= fold(c) && fold(c) <= fold(to);
        p += 3;
      } else {
        found |= fold(at(p)) == fold(c);
        ++p;
      }
    }
    if (p < pattern_.size()) ++p;
    return found != negated;
  }

  signed char fold(char c) const {
    if (!ignore_case_ || c < 'A' || c > 'Z') return c;
    return static_cast<signed char>(c - 'A' + 'a');
  }

  std::string_view pattern_;
  std::string_view text_;
  bool ignore_case_;
  std::vector<char> seen_;
};

void run(Input input) {
  const bool ignore_case = (input.byte() & 1) != 0;
  const size_t size = input.byte();
  // Of their own, so that a byte read behind their end is noticed.
  const std::string_view pattern_bytes = input.bytes(size);
  const std::vector<char> pattern(pattern_bytes.begin(), pattern_bytes.end());
  const std::string_view text_bytes = input.bytes(256);
  const std::vector<char> text(text_bytes.begin(), text_bytes.end());
  const std::string_view p(pattern.data(), pattern.size());
  const std::string_view t(text.data(), text.size());
  require(glob_match(p, t, ignore_case) == PlainMatcher(p, t, ignore_case).matches(),
          "a pattern matches otherwise than in Redis");
}

}  // namespace
}  // namespace respcask::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::server::run({data, size});
  return 0;
}
