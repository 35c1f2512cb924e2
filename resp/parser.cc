#include "resp/parser.h"

#include <algorithm>
#include <cstring>

#include "resp/number.h"
#include "resp/plain_number.h"
#include "resp/split_args.h"

namespace respcask::resp {
namespace {

constexpr size_t kNotFound = SIZE_MAX;

// What a parser keeps between commands. One command with very many arguments should not hold its
// memory for as long as the connection lives; growing again costs little beside parsing so many.
constexpr size_t kKeptArgs = 1024;
constexpr size_t kKeptQuotedBytes = 4096;

}  // namespace

void Parser::set_limits(const Limits& limits) {
  limits_ = limits;
  bulk_limit_ = limits.unauthenticated
                    ? std::min(limits.max_bulk_bytes, Limits::kMaxUnauthenticatedBulkBytes)
                    : limits.max_bulk_bytes;
}

void Parser::reset() {
  begin();
  error_.clear();
}

size_t Parser::argument_bytes() {
  for (; summed_args_ < args_.size(); ++summed_args_) summed_bytes_ += args_[summed_args_].size();
  return summed_bytes_;
}

size_t Parser::heap_bytes() const {
  const size_t quoted = quoted_words_.capacity();
  return args_.capacity() * sizeof(std::string_view) + (quoted > 15 ? quoted + 1 : 0);
}

Parser::Status Parser::parse(std::string_view unread) {
  if (state_ == State::kFailed) return Status::kError;
  if (state_ == State::kDone) begin();
  if (unread.empty()) return Status::kNeedMore;
  if (state_ == State::kBegin) {
    state_ = unread.front() == '*' ? State::kCount : State::kInline;
    base_ = unread.data();
  }
  if (state_ == State::kInline) return parse_inline(unread);
  if (base_ != unread.data()) move_args(unread.data());
  if (state_ == State::kCount) {
    const Status status = parse_count(unread);
    if (state_ != State::kBulkHeader) return status;
  }
  return parse_multibulk(unread);
}

void Parser::begin() {
  state_ = State::kBegin;
  start_line(0);
  wanted_ = 0;
  missing_args_ = 0;
  summed_args_ = summed_bytes_ = 0;
  args_.clear();
  if (args_.capacity() > kKeptArgs) std::vector<std::string_view>().swap(args_);
  if (quoted_words_.capacity() > kKeptQuotedBytes) std::string().swap(quoted_words_);
}

Parser::Status Parser::finish() {
  state_ = State::kDone;
  return args_.empty() ? Status::kEmpty : Status::kCommand;
}

Parser::Status Parser::fail(std::string_view reason) {
  state_ = State::kFailed;
  position_ = 0;
  args_.clear();
  error_ = "ERR Protocol error: ";
  error_ += reason;
  return Status::kError;
}

void Parser::start_line(size_t position) {
  position_ = position;
  searched_ = position;
  line_hidden_ = false;
}

// Offset of the terminator of the line at position_, or kNotFound. It is looked for in the bytes
// that earlier calls have not searched, and only as far as a line may reach. Redis searches with
// C's string functions, so a NUL hides the terminator behind it, and such a line runs into the
// limit; so it does here.
size_t Parser::find_line_end(std::string_view unread, char terminator) {
  const size_t stop = std::min(unread.size(), position_ + limits_.max_line_bytes + 1);
  if (line_hidden_ || stop == searched_) return kNotFound;
  const char* const from = unread.data() + searched_;
  const void* const hit = std::memchr(from, terminator, stop - searched_);
  const size_t length =
      hit != nullptr ? static_cast<size_t>(static_cast<const char*>(hit) - from) : stop - searched_;
  line_hidden_ = std::memchr(from, '\0', length) != nullptr;
  searched_ += length;
  return hit != nullptr && !line_hidden_ ? searched_ : kNotFound;
}

// The buffer was moved by the caller, which cost it at least six bytes for each of these views.
void Parser::move_args(const char* base) {
  for (std::string_view& arg : args_) arg = {base + (arg.data() - base_), arg.size()};
  base_ = base;
}

Parser::Status Parser::parse_inline(std::string_view unread) {
  const size_t newline = find_line_end(unread, '\n');
  if (newline == kNotFound) {
    if (unread.size() > limits_.max_line_bytes) return fail("too big inline request");
    return Status::kNeedMore;
  }
  std::string_view line = unread.substr(0, newline);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!split_line(line, quoted_words_, args_)) return fail("unbalanced quotes in request");
  position_ = newline + 1;
  return finish();
}

// The "*n" line. Answers kEmpty, kError or kNeedMore, unless it goes over to State::kBulkHeader.
Parser::Status Parser::parse_count(std::string_view unread) {
  const PlainNumber plain = read_plain_number('*', unread.data(), unread.data() + unread.size());
  if (plain.behind != nullptr && plain.value <= limits_.max_args && !limits_.unauthenticated) {
    start_line(static_cast<size_t>(plain.behind - unread.data()));
    missing_args_ = plain.value;
    state_ = State::kBulkHeader;
    return Status::kNeedMore;
  }
  const size_t cr = find_line_end(unread, '\r');
  if (cr == kNotFound) {
    if (unread.size() > limits_.max_line_bytes) return fail("too big mbulk count string");
    return Status::kNeedMore;
  }
  if (cr + 1 == unread.size()) return Status::kNeedMore;
  const auto count = parse_int64(unread.substr(1, cr - 1));
  if (!count || *count > limits_.max_args) return fail("invalid multibulk length");
  if (limits_.unauthenticated && *count > Limits::kMaxUnauthenticatedArgs) {
    return fail("unauthenticated multibulk length");
  }
  start_line(cr + 2);
  if (*count <= 0) return finish();
  missing_args_ = *count;
  state_ = State::kBulkHeader;
  return Status::kNeedMore;
}

// A "$n" line in any form, legal or not. Answers kError or kNeedMore, unless it goes over to
// State::kBulkBody.
Parser::Status Parser::parse_bulk_header(std::string_view unread) {
  const size_t cr = find_line_end(unread, '\r');
  if (cr == kNotFound) {
    if (unread.size() - position_ > limits_.max_line_bytes) return fail("too big bulk count string");
    return Status::kNeedMore;
  }
  if (cr + 1 == unread.size()) return Status::kNeedMore;
  if (const char type = unread[position_]; type != '$') {
    const bool line_break = type == '\r' || type == '\n';
    return fail(std::string("expected '$', got '") + (line_break ? ' ' : type) + "'");
  }
  const auto length = parse_int64(unread.substr(position_ + 1, cr - position_ - 1));
  if (!length || *length < 0 || *length > limits_.max_bulk_bytes) {
    return fail("invalid bulk length");
  }
  if (*length > bulk_limit_) return fail("unauthenticated bulk length");
  start_line(cr + 2);
  bulk_bytes_ = static_cast<size_t>(*length);
  state_ = State::kBulkBody;
  return Status::kNeedMore;
}

// Takes the bulks that are plain and complete, which nearly all are, with the place in the buffer
// kept in a register. True when the command is complete.
bool Parser::take_plain_bulks(std::string_view unread) {
  const char* const end = unread.data() + unread.size();
  const char* at = unread.data() + position_;
  while (missing_args_ != 0) {
    const PlainNumber length = read_plain_number('$', at, end);
    if (length.behind == nullptr || length.value > bulk_limit_) break;
    if (end - length.behind < length.value + 2) break;
    args_.emplace_back(length.behind, static_cast<size_t>(length.value));
    at = length.behind + length.value + 2;
    --missing_args_;
  }
  // A line that stays keeps how far it was searched.
  if (const auto position = static_cast<size_t>(at - unread.data()); position != position_) {
    start_line(position);
  }
  return missing_args_ == 0;
}

Parser::Status Parser::parse_multibulk(std::string_view unread) {
  for (;;) {
    if (state_ == State::kBulkHeader) {
      if (take_plain_bulks(unread)) return finish();
      const Status status = parse_bulk_header(unread);
      if (state_ != State::kBulkBody) return status;
    }
    // position_ is never past the end, and the sum cannot overflow: a length is below 2^63.
    const size_t available = unread.size() - position_;
    if (available < bulk_bytes_ + 2) {
      wanted_ = bulk_bytes_ + 2 - available;
      return Status::kNeedMore;
    }
    args_.emplace_back(unread.data() + position_, bulk_bytes_);
    start_line(position_ + bulk_bytes_ + 2);
    wanted_ = 0;
    state_ = State::kBulkHeader;
    if (--missing_args_ == 0) return finish();
  }
}

}  // namespace respcask::resp
