#include "tests/differential/reply.h"

#include <cctype>
#include <charconv>

namespace respcask::differential {
namespace {

// Moves `position` behind the reply that begins there; false if it is not all there.
bool parse_into(std::string_view buffer, size_t* position, Reply* reply) {
  const size_t begin = *position;
  const size_t line_end = buffer.find("\r\n", begin);
  if (line_end == std::string_view::npos) return false;
  reply->type = buffer[begin];
  const std::string_view line = buffer.substr(begin + 1, line_end - begin - 1);
  size_t next = line_end + 2;
  long long count = 0;
  const bool counted = std::string_view("$=!*%~>|").find(reply->type) != std::string_view::npos;
  if (counted) {
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), count);
    if (error != std::errc() || end != line.data() + line.size() || count < -1) reply->type = '?';
  }
  switch (reply->type) {
    case '$':
    case '=':
    case '!': {
      if (count < 0) {
        reply->null = true;
        break;
      }
      const size_t size = static_cast<size_t>(count);
      if (buffer.size() < next + size + 2) return false;
      reply->text = buffer.substr(next, size);
      next += size + 2;
      break;
    }
    case '*':
    case '~':
    case '>':
    case '%': {
      if (count < 0) {
        reply->null = true;
        break;
      }
      const long long items = reply->type == '%' ? 2 * count : count;
      for (long long i = 0; i < items; ++i) {
        if (next >= buffer.size()) return false;
        Reply item;
        if (!parse_into(buffer, &next, &item)) return false;
        reply->items.push_back(std::move(item));
      }
      break;
    }
    case '_':
      reply->null = true;
      break;
    case '+':
    case '-':
    case ':':
    case ',':
    case '#':
    case '(':
      reply->text = line;
      break;
    default:
      reply->type = '?';
      next = buffer.size();
      break;
  }
  *position = next;
  reply->raw = buffer.substr(begin, next - begin);
  return true;
}

}  // namespace

std::optional<Reply> parse_reply(std::string_view buffer, size_t* position) {
  if (*position >= buffer.size()) return std::nullopt;
  Reply reply;
  size_t end = *position;
  if (!parse_into(buffer, &end, &reply)) return std::nullopt;
  *position = end;
  return reply;
}

std::string quote(std::string_view bytes, size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : bytes.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (byte < 32 || byte > 126) {
      text += "\\x";
      text += kHex[byte >> 4];
      text += kHex[byte & 15];
    } else {
      text += c;
    }
  }
  text += '"';
  if (bytes.size() > limit) text += "... (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

std::string describe(const Reply& reply) {
  return quote(reply.raw, 600);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace respcask::differential
