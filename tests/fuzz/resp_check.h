// Whether bytes are replies as RESP2 and RESP3 define them, with nothing missing and nothing over.
//
// Strict where parsers of clients are lenient: a line ends with CR LF and holds neither before, a
// number has no sign or zero too many, a boolean is t or f. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace respcask::fuzz {

class RespCheck {
 public:
  explicit RespCheck(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }

  // Takes one value from the front; false if none stands there.
  bool take_value(int depth = 0) {
    std::string_view line;
    if (rest_.empty() || depth > 16) return false;
    const char type = rest_.front();
    if (!take_line(line)) return false;
    switch (type) {
      case '+':
      case '-':
        return true;
      case ':':
        return is_integer(line);
      case '(':
        return is_integer(line);
      case ',':
        return !line.empty();
      case '#':
        return line == "t" || line == "f";
      case '_':
        return line.empty();
      case '$':
        return line == "-1" || take_bulk(line);
      case '=':
      case '!':
        return take_bulk(line);
      case '*':
        return line == "-1" || take_values(line, 1, depth);
      case '~':
      case '>':
        return take_values(line, 1, depth);
      case '%':
        return take_values(line, 2, depth);
      default:
        return false;
    }
  }

 private:
  static bool is_integer(std::string_view text) {
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (text.starts_with('0')) return false;
    }
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
    return text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  // The line's text without the type and the line break.
  bool take_line(std::string_view& line) {
    const size_t end = rest_.find_first_of("\r\n");
    if (end == std::string_view::npos || rest_.substr(end, 2) != "\r\n") return false;
    line = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 2);
    return true;
  }

  static bool to_count(std::string_view text, uint64_t& count) {
    if (!is_integer(text) || text.front() == '-' || text.size() > 10) return false;
    count = 0;
    for (const char c : text) count = count * 10 + static_cast<uint64_t>(c - '0');
    return true;
  }

  bool take_bulk(std::string_view line) {
    uint64_t size = 0;
    if (!to_count(line, size) || rest_.size() < size + 2) return false;
    if (rest_.substr(size, 2) != "\r\n") return false;
    rest_.remove_prefix(size + 2);
    return true;
  }

  bool take_values(std::string_view line, uint64_t each, int depth) {
    uint64_t count = 0;
    if (!to_count(line, count)) return false;
    for (uint64_t i = 0; i < count * each; ++i) {
      if (!take_value(depth + 1)) return false;
    }
    return true;
  }

  std::string_view rest_;
};

// Counts the values that `replies` is made of; false if it is made of anything else.
inline bool count_values(std::string_view replies, size_t& count) {
  RespCheck check(replies);
  for (count = 0; !check.at_end(); ++count) {
    if (!check.take_value()) return false;
  }
  return true;
}

}  // namespace respcask::fuzz
