// Incremental parser of requests: multibulk commands ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") and inline
// ones ("GET k\r\n"), in any mix, split by the network at any byte.
//
// It reads a contiguous buffer that the caller owns, and copies nothing out of it: arguments are
// views into that buffer (or, for inline words with quotes, into storage of the parser's own). It
// keeps its place in an unfinished command as offsets from the command's first byte, so the buffer
// may grow, move or be compacted between calls.
//
// Invariants:
// - However a stream is cut into calls, it gives the same commands and the same error.
// - No byte is searched twice, and the body of a bulk is stepped over, not read.
// - No memory is taken on the strength of a length that a client claims: it grows by 16 bytes for
//   every argument that has arrived.
// - In the steady state a command allocates nothing.
//
// What it accepts is what Redis 7.0.15 accepts, to the byte: the two bytes behind a bulk are not
// looked at, nor is the one behind a CR, and a NUL hides the end of its line.
//
// One connection, one parser; it is not thread-safe.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::resp {

// What a client may ask the server to buffer. One place, one reason each.
struct Limits {
  // Inline commands and the "*3" and "$5" lines, without their line end. No header needs more than
  // 21 bytes; 64 KiB is what Redis grants, and what a client may cost before it is found out.
  static constexpr size_t kMaxLineBytes = 64 * 1024;
  // Until a client has authenticated it can only usefully send AUTH or HELLO: short ones. Anything
  // larger is an attempt to use memory.
  static constexpr int64_t kMaxUnauthenticatedArgs = 10;
  static constexpr int64_t kMaxUnauthenticatedBulkBytes = 16384;

  // Redis counts arguments in an int. The real bound is what a client may make the server hold.
  int64_t max_args = INT_MAX;
  // Less only where a test wants to meet the bound often.
  size_t max_line_bytes = kMaxLineBytes;
  // proto-max-bulk-len: the longest single argument, and with it the longest string.
  int64_t max_bulk_bytes = int64_t{512} * 1024 * 1024;
  // True while the client still has to authenticate.
  bool unauthenticated = false;
};

class Parser {
 public:
  enum class Status : uint8_t {
    kNeedMore,  // The command is unfinished: call again with the same bytes and more behind them.
    kCommand,   // args() and consumed() hold.
    kEmpty,     // A blank line, or no arguments ("*0" and below): no reply. consumed() holds.
    kError,     // error() holds. The stream cannot be understood from here on: reply and close.
  };

  Parser() = default;
  explicit Parser(const Limits& limits) { set_limits(limits); }
  Parser(const Parser&) = delete;  // args() may point into the object itself.
  Parser& operator=(const Parser&) = delete;

  // Parses one command. `unread` begins at the first byte that no earlier command has consumed.
  // While the last answer was kNeedMore it begins with the very bytes that were passed then, though
  // not necessarily at the same address. After kError every call answers kError until reset().
  Status parse(std::string_view unread);

  // After kCommand: the command's name and arguments; never empty. The views hold until the next
  // call of parse() or reset() or until the buffer changes, whichever comes first.
  std::span<const std::string_view> args() const { return args_; }

  // After kCommand or kEmpty: bytes of `unread` that the command took.
  size_t consumed() const { return position_; }

  // After kNeedMore: bytes of `unread` that belong to complete arguments, with their headers; 0
  // after anything else. Then how long these arguments are, each of which is looked at once.
  size_t taken() const { return state_ == State::kDone ? 0 : position_; }
  size_t argument_bytes();

  // After kError: the reply, for Writer::error, without the leading '-' and the line end; for
  // example "ERR Protocol error: invalid bulk length". Holds until reset().
  std::string_view error() const { return error_; }

  // After kNeedMore: bytes still missing behind `unread` until the bulk that has begun is complete,
  // its line end included; 0 if the parser is not inside a bulk and any number may help. It is what
  // the client claims: a hint for how much to read at once, not a reason to allocate.
  size_t wanted() const { return wanted_; }

  // Takes effect for everything that has not been parsed yet.
  void set_limits(const Limits& limits);
  const Limits& limits() const { return limits_; }

  // Forgets an unfinished command or an error.
  void reset();

  // Bytes of heap held, for the accounting of a client's memory.
  size_t heap_bytes() const;

 private:
  enum class State : uint8_t { kBegin, kInline, kCount, kBulkHeader, kBulkBody, kDone, kFailed };

  void begin();
  Status parse_inline(std::string_view unread);
  bool take_plain_bulks(std::string_view unread);
  Status parse_multibulk(std::string_view unread);
  Status parse_count(std::string_view unread);
  Status parse_bulk_header(std::string_view unread);
  Status finish();
  Status fail(std::string_view reason);
  size_t find_line_end(std::string_view unread, char terminator);
  void start_line(size_t position);
  void move_args(const char* base);

  Limits limits_;
  int64_t bulk_limit_ = limits_.max_bulk_bytes;  // The tighter of those that apply now.

  State state_ = State::kBegin;
  bool line_hidden_ = false;    // A NUL stands in the unfinished line.
  size_t position_ = 0;         // First byte of the unfinished line or body, from the command's.
  size_t searched_ = 0;         // No line end lies between position_ and here.
  size_t wanted_ = 0;           // See wanted().
  int64_t missing_args_ = 0;    // Arguments announced by "*n" that are not in args_ yet.
  size_t bulk_bytes_ = 0;       // Length of the bulk whose body is being read.
  const char* base_ = nullptr;  // The command's first byte, as args_ was built on.
  std::vector<std::string_view> args_;
  size_t summed_args_ = 0;    // Of args_, how many argument_bytes() has looked at,
  size_t summed_bytes_ = 0;   // and what they came to.
  std::string quoted_words_;  // What inline words with quotes decode to.
  std::string error_;
};

}  // namespace respcask::resp
