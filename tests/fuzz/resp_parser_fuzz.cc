// Fuzz target: a stream gives the same commands and the same error however it is cut, and bulk by
// bulk what a parser that sees the whole stream and works the plain way makes of it.
//
// Input: a byte of options, a byte n, n cut positions of two bytes each (little-endian, modulo the
// stream's length), then the stream.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "resp/split_args.h"
#include "tests/resp/transcript.h"

namespace respcask::resp {
namespace {

// The grammar again, for a whole stream in memory and with no thought of speed.
class PlainReader {
 public:
  PlainReader(std::string_view stream, const Limits& limits) : rest_(stream), limits_(limits) {}

  Transcript read() {
    while (!rest_.empty() && (rest_.front() == '*' ? read_multibulk() : read_inline())) {
      transcript_.consumed = taken_;
    }
    return transcript_;
  }

 private:
  bool fail(const std::string& reason) {
    transcript_.error = "ERR Protocol error: " + reason;
    return false;
  }

  void take(size_t size) {
    rest_.remove_prefix(size);
    taken_ += size;
  }

  // Length of the line up to `end`, or npos with an error set if it is too long.
  size_t line_length(char end, const char* too_long) {
    const size_t length = rest_.find_first_of(std::string{end, '\0'});
    const bool found = length != std::string_view::npos && rest_[length] == end;
    const size_t reach = found ? length : rest_.size() - 1;
    if (reach >= limits_.max_line_bytes + (found ? 1 : 0)) fail(too_long);
    return found && transcript_.error.empty() ? length : std::string_view::npos;
  }

  // The number of a line "Xn\r?", or false if it is not complete or not a number from `low` on.
  bool read_number(const char* too_long, int64_t low, int64_t high, const char* invalid, bool bulk,
                   int64_t* number) {
    const size_t cr = line_length('\r', too_long);
    if (cr == std::string_view::npos || cr + 2 > rest_.size()) return false;
    if (bulk && rest_.front() != '$') {
      const char type = rest_.front();
      const bool line_break = type == '\r' || type == '\n';
      return fail(std::string("expected '$', got '") + (line_break ? ' ' : type) + "'");
    }
    const std::string text(rest_.substr(std::min<size_t>(cr, 1), cr == 0 ? 0 : cr - 1));
    *number = std::strtoll(text.c_str(), nullptr, 10);
    if (text.empty() || std::to_string(*number) != text || *number < low || *number > high) {
      return fail(invalid);
    }
    take(cr + 2);
    return true;
  }

  bool read_inline() {
    const size_t newline = line_length('\n', "too big inline request");
    if (newline == std::string_view::npos) return false;
    std::string_view line = rest_.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto words = split_args(line);
    if (!words) return fail("unbalanced quotes in request");
    if (!words->empty()) transcript_.commands.push_back(*words);
    take(newline + 1);
    return true;
  }

  bool read_multibulk() {
    int64_t count = 0;
    if (!read_number("too big mbulk count string", INT64_MIN, limits_.max_args,
                     "invalid multibulk length", false, &count)) {
      return false;
    }
    if (limits_.unauthenticated && count > 10) return fail("unauthenticated multibulk length");
    std::vector<std::string> command;
    for (; count > 0; --count) {
      int64_t length = 0;
      if (rest_.empty() || !read_number("too big bulk count string", 0, limits_.max_bulk_bytes,
                                        "invalid bulk length", true, &length)) {
        return false;
      }
      if (limits_.unauthenticated && length > 16384) return fail("unauthenticated bulk length");
      const auto size = static_cast<size_t>(length);
      if (rest_.size() < size + 2) {
        transcript_.wanted = size + 2 - rest_.size();
        return false;
      }
      command.emplace_back(rest_.substr(0, size));
      take(size + 2);
    }
    if (!command.empty()) transcript_.commands.push_back(std::move(command));
    return true;
  }

  std::string_view rest_;
  Limits limits_;
  size_t taken_ = 0;
  Transcript transcript_;
};

void expect_same(const Transcript& got, const Transcript& expected, const char* what) {
  if (got == expected) return;
  std::fprintf(stderr, "%s read otherwise\n", what);
  std::abort();
}

void run(std::string_view input) {
  if (input.size() < 2) return;
  const auto byte_at = [&](size_t i) { return size_t{static_cast<uint8_t>(input[i])}; };
  Limits limits;
  limits.unauthenticated = (byte_at(0) & 1) != 0;
  if ((byte_at(0) & 2) != 0) limits.max_bulk_bytes = 20;
  if ((byte_at(0) & 4) != 0) limits.max_args = 3;
  // What a fuzzer would hardly find at 64 KiB.
  if ((byte_at(0) & 8) != 0) limits.max_line_bytes = 24;
  const size_t cut_count = std::min(byte_at(1) % 32, (input.size() - 2) / 2);
  const std::string_view stream = input.substr(2 + 2 * cut_count);
  std::vector<size_t> cuts;
  for (size_t i = 0; i < cut_count; ++i) {
    cuts.push_back((byte_at(2 + 2 * i) + byte_at(3 + 2 * i) * 256) % (stream.size() + 1));
  }
  std::sort(cuts.begin(), cuts.end());
  const Transcript whole = read_stream(stream, {}, limits);
  expect_same(whole, PlainReader(stream, limits).read(), "the whole stream");
  expect_same(read_stream(stream, cuts, limits), whole, "the split stream");
}

}  // namespace
}  // namespace respcask::resp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::resp::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
