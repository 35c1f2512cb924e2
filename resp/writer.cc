#include "resp/writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "resp/number.h"

namespace respcask::resp {
namespace {

// A type byte, a number and a line end.
struct Header {
  static constexpr size_t kMaxChars = 1 + kMaxInt64Chars + 2;
  char text[kMaxChars];
  size_t size;

  Header(char type, int64_t number) {
    text[0] = type;
    char* const end = format_int64(text + 1, number);
    end[0] = '\r';
    end[1] = '\n';
    size = static_cast<size_t>(end + 2 - text);
  }
};

// The same, made by the compiler for the numbers that nearly all replies have.
struct SmallHeader {
  char text[7];
  uint8_t size;
};

constexpr size_t kSmallHeaders = 512;

template <char kType>
constexpr std::array<SmallHeader, kSmallHeaders> make_small_headers() {
  std::array<SmallHeader, kSmallHeaders> headers{};
  for (size_t i = 0; i < kSmallHeaders; ++i) {
    SmallHeader& header = headers[i];
    header.text[header.size++] = kType;
    if (i >= 100) header.text[header.size++] = static_cast<char>('0' + i / 100);
    if (i >= 10) header.text[header.size++] = static_cast<char>('0' + i / 10 % 10);
    header.text[header.size++] = static_cast<char>('0' + i % 10);
    header.text[header.size++] = '\r';
    header.text[header.size++] = '\n';
  }
  return headers;
}

template <char kType>
constexpr auto kHeadersOf = make_small_headers<kType>();

template <char kType>
inline void append_header(std::string& out, uint64_t number) {
  if (number < kSmallHeaders) {
    const SmallHeader& header = kHeadersOf<kType>[number];
    out.append(header.text, header.size);
  } else {
    const Header header(kType, static_cast<int64_t>(number));
    out.append(header.text, header.size);
  }
}

}  // namespace

void Writer::line(char type, std::string_view text) {
  out_->push_back(type);
  const size_t begin = out_->size();
  out_->append(text);
  if (text.find_first_of("\r\n") != std::string_view::npos) {
    std::replace_if(
        out_->begin() + static_cast<ptrdiff_t>(begin), out_->end(),
        [](char c) { return c == '\r' || c == '\n'; }, ' ');
  }
  crlf();
}

void Writer::simple_string(std::string_view text) {
  line('+', text);
}

void Writer::error(std::string_view text) {
  const size_t last = text.find_last_not_of("\r\n");
  line('-', text.substr(0, last + 1));
}

void Writer::integer(int64_t value) {
  if (value >= 0) {
    append_header<':'>(*out_, static_cast<uint64_t>(value));
  } else {
    const Header header(':', value);
    out_->append(header.text, header.size);
  }
}

void Writer::bulk_header(size_t length) {
  append_header<'$'>(*out_, length);
  if (lent_ != nullptr) return;  // most of it may need no room
  // Room at once, or what is there would be copied again and again as the pieces come. What is
  // longer than this grows by few steps.
  constexpr size_t kMostBytes = size_t{16} << 20;
  out_->reserve(out_->size() + std::min(length, kMostBytes) + 2);
}

void Writer::bulk(std::string_view bytes) {
  append_header<'$'>(*out_, bytes.size());
  out_->append(bytes);
  crlf();
}

void Writer::bulk_integer(int64_t value) {
  char digits[kMaxInt64Chars];
  bulk({digits, static_cast<size_t>(format_int64(digits, value) - digits)});
}

void Writer::bulk_null() {
  raw(protocol_ == 2 ? "$-1\r\n" : "_\r\n");
}

void Writer::null_array() {
  raw(protocol_ == 2 ? "*-1\r\n" : "_\r\n");
}

void Writer::array(size_t count) {
  append_header<'*'>(*out_, count);
}

void Writer::map(size_t count) {
  if (protocol_ == 2) {
    append_header<'*'>(*out_, count * 2);
  } else {
    append_header<'%'>(*out_, count);
  }
}

void Writer::set(size_t count) {
  if (protocol_ == 2) {
    append_header<'*'>(*out_, count);
  } else {
    append_header<'~'>(*out_, count);
  }
}

void Writer::push(size_t count) {
  if (protocol_ == 2) {
    append_header<'*'>(*out_, count);
  } else {
    append_header<'>'>(*out_, count);
  }
}

void Writer::attribute(size_t count) {
  assert(protocol_ == 3);
  append_header<'|'>(*out_, count);
}

void Writer::double_value(double value) {
  char digits[kMaxDoubleChars];
  const std::string_view text(digits, static_cast<size_t>(format_double(digits, value) - digits));
  if (protocol_ == 2) {
    bulk(text);
  } else {
    line(',', text);
  }
}

void Writer::boolean(bool value) {
  if (protocol_ == 2) {
    raw(value ? ":1\r\n" : ":0\r\n");
  } else {
    raw(value ? "#t\r\n" : "#f\r\n");
  }
}

void Writer::big_number(std::string_view digits) {
  if (protocol_ == 2) {
    bulk(digits);
  } else {
    line('(', digits);
  }
}

void Writer::verbatim(std::string_view format, std::string_view text) {
  if (protocol_ == 2) {
    bulk(text);
    return;
  }
  assert(format.size() == 3);
  append_header<'='>(*out_, text.size() + 4);
  raw(format);
  out_->push_back(':');
  raw(text);
  crlf();
}

void Writer::insert_header(Mark mark, char type, size_t count) {
  assert(mark.position <= out_->size());
  const Header header(type, static_cast<int64_t>(count));
  out_->insert(mark.position, header.text, header.size);
  if (lent_ != nullptr) lent_->shift(mark.position, header.size);
}

void Writer::finish_array(Mark mark, size_t count) {
  insert_header(mark, '*', count);
}

void Writer::finish_map(Mark mark, size_t count) {
  insert_header(mark, protocol_ == 2 ? '*' : '%', protocol_ == 2 ? count * 2 : count);
}

void Writer::finish_set(Mark mark, size_t count) {
  insert_header(mark, protocol_ == 2 ? '*' : '~', count);
}

void Writer::finish_push(Mark mark, size_t count) {
  insert_header(mark, protocol_ == 2 ? '*' : '>', count);
}

void Writer::truncate(size_t size) {
  assert(size <= out_->size());
  out_->resize(size);
  if (lent_ != nullptr) lent_->cut(size);
}

}  // namespace respcask::resp
