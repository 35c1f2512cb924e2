#include "resp/split_args.h"

namespace respcask::resp {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Narrower than is_space on purpose: vertical tab and form feed separate words only in front of a
// word or behind a quote. Redis has it so.
bool ends_word(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Decodes the quoted part whose opening quote stands at `p`, and returns the byte behind its
// closing quote, or nullptr if that is missing.
const char* read_quoted(const char* p, const char* end, std::string& out) {
  const char quote = *p++;
  while (p != end && *p != quote) {
    if (*p == '\\' && quote == '"' && end - p >= 2) {
      if (p[1] == 'x' && end - p >= 4 && hex_value(p[2]) >= 0 && hex_value(p[3]) >= 0) {
        out.push_back(static_cast<char>(hex_value(p[2]) * 16 + hex_value(p[3])));
        p += 4;
      } else {
        out.push_back(unescape(p[1]));
        p += 2;
      }
    } else if (*p == '\\' && quote == '\'' && end - p >= 2 && p[1] == '\'') {
      out.push_back('\'');
      p += 2;
    } else {
      out.push_back(*p++);
    }
  }
  return p == end ? nullptr : p + 1;
}

}  // namespace

bool split_line(std::string_view line, std::string& storage, std::vector<std::string_view>& words) {
  line = line.substr(0, line.find('\0'));
  storage.clear();
  const char* p = line.data();
  const char* const end = p + line.size();
  for (;;) {
    while (p != end && is_space(*p)) ++p;
    if (p == end) return true;
    const char* const start = p;
    while (p != end && !ends_word(*p) && *p != '"' && *p != '\'') ++p;
    if (p == end || ends_word(*p)) {
      words.emplace_back(start, static_cast<size_t>(p - start));
      continue;
    }
    // Decoding never lengthens, so with this the storage never moves under the views into it.
    storage.reserve(line.size());
    const size_t word = storage.size();
    storage.append(start, p);
    p = read_quoted(p, end, storage);
    if (p == nullptr || (p != end && !is_space(*p))) return false;
    words.emplace_back(storage.data() + word, storage.size() - word);
  }
}

std::optional<std::vector<std::string>> split_args(std::string_view line) {
  std::string storage;
  std::vector<std::string_view> words;
  if (!split_line(line, storage, words)) return std::nullopt;
  return std::vector<std::string>(words.begin(), words.end());
}

}  // namespace respcask::resp
