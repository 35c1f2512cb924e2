#include "server/rdb/lzf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>

namespace respcask::server::rdb {
namespace {

constexpr size_t kMinMatch = 3;
constexpr size_t kMaxMatch = 264;  // 255 + 9
constexpr size_t kMaxDistance = 8192;
constexpr size_t kMaxLiterals = 32;
constexpr size_t kShortMatch = 8;  // the longest that fits into the control byte
// The longest copy is 264 bytes and costs three.
constexpr uint64_t kMaxExpansion = kMaxMatch / 3;

// The last position at which each hash of three bytes was seen. Positions count on from one input
// to the next, so that what an earlier input left behind is known by its number and the table need
// not be cleared each time.
class MatchTable {
 public:
  // Makes room for positions 0 .. size-1 of a new input.
  void start(size_t size) {
    base_ = next_base_;
    if (size >= std::numeric_limits<uint32_t>::max() - base_) {
      slots_.fill(0);
      base_ = 1;
    }
    next_base_ = base_ + static_cast<uint32_t>(size);
  }

  // Notes `position` under its three bytes; returns the position noted before, if this input has
  // one.
  std::optional<size_t> exchange(const uint8_t* bytes, size_t position) {
    const uint32_t word = static_cast<uint32_t>(bytes[0] << 16 | bytes[1] << 8 | bytes[2]);
    uint32_t& slot = slots_[((word >> 8) - word * 5) % kSlots];
    const uint32_t before = slot;
    slot = base_ + static_cast<uint32_t>(position);
    if (before < base_) return std::nullopt;
    return before - base_;
  }

 private:
  static constexpr size_t kSlots = 1 << 16;
  std::array<uint32_t, kSlots> slots_{};
  uint32_t base_ = 1;
  uint32_t next_base_ = 1;
};

// The output: a run of literals is open all the time, its control byte reserved in front of it.
class Output {
 public:
  explicit Output(size_t max_size) : max_size_(max_size) { open_run(); }

  bool literal(uint8_t byte) {
    if (bytes_.size() >= max_size_) return false;
    bytes_.push_back(static_cast<char>(byte));
    if (run_size() == kMaxLiterals) {
      close_run();
      open_run();
    }
    return true;
  }

  bool match(size_t length, size_t distance) {
    // A longest copy and the control byte of the run after it must fit, as in Redis.
    if (bytes_.size() - (run_size() == 0 ? 1 : 0) + 4 >= max_size_) return false;
    close_run();
    const size_t back = distance - 1;
    if (length <= kShortMatch) {
      bytes_.push_back(static_cast<char>((length - 2) << 5 | back >> 8));
    } else {
      bytes_.push_back(static_cast<char>(7 << 5 | back >> 8));
      bytes_.push_back(static_cast<char>(length - kShortMatch - 1));
    }
    bytes_.push_back(static_cast<char>(back));
    open_run();
    return true;
  }

  bool has_room_for_tail() const { return bytes_.size() + 3 <= max_size_; }

  // A tail of at most three literals, for which has_room_for_tail() was asked.
  void tail(std::string_view literals) {
    for (const char byte : literals) {
      bytes_.push_back(byte);
      if (run_size() == kMaxLiterals) {
        close_run();
        open_run();
      }
    }
  }

  std::string finish() {
    close_run();
    return std::move(bytes_);
  }

 private:
  size_t run_size() const { return bytes_.size() - run_ - 1; }

  void open_run() {
    run_ = bytes_.size();
    bytes_.push_back('\0');
  }

  // An empty run leaves no trace.
  void close_run() {
    if (run_size() == 0) {
      bytes_.pop_back();
    } else {
      bytes_[run_] = static_cast<char>(run_size() - 1);
    }
  }

  size_t max_size_;
  std::string bytes_;
  size_t run_ = 0;
};

size_t match_length(const uint8_t* earlier, const uint8_t* here, size_t remaining) {
  // Two bytes short of the end, but never less than the three that are known to match. Redis looks
  // at the first 19 bytes without asking for the limit once that is 17, and so must this.
  constexpr size_t kUncheckedFrom = 17;
  constexpr size_t kUncheckedTo = 19;
  size_t limit = std::min(remaining - 2, kMaxMatch);
  if (limit >= kUncheckedFrom) limit = std::max(limit, kUncheckedTo);
  size_t length = kMinMatch;
  uint64_t a = 0;
  uint64_t b = 0;
  for (; length + sizeof a <= limit; length += sizeof a) {
    std::memcpy(&a, earlier + length, sizeof a);
    std::memcpy(&b, here + length, sizeof b);
    if (a != b) return length + static_cast<size_t>(std::countr_zero(a ^ b)) / 8;
  }
  while (length < limit && earlier[length] == here[length]) ++length;
  return length;
}

// Appends `length` bytes from `back` before the end on. Where that is more than there are it
// repeats them, and each step has twice as many to copy.
void append_earlier(std::string& out, size_t back, size_t length) {
  const size_t from = out.size() - back;
  for (const size_t end = out.size() + length; out.size() < end;) {
    out.append(out, from, std::min(out.size() - from, end - out.size()));
  }
}

}  // namespace

std::optional<std::string> lzf_compress(std::string_view input, size_t max_size) {
  // Positions must fit 32 bits; Redis cannot hold such a string either.
  if (input.empty() || input.size() >= std::numeric_limits<uint32_t>::max() / 2)
    return std::nullopt;
  thread_local const std::unique_ptr<MatchTable> table = std::make_unique<MatchTable>();
  table->start(input.size());

  const uint8_t* const bytes = reinterpret_cast<const uint8_t*>(input.data());
  Output out(max_size);
  size_t at = 0;
  while (at + 2 < input.size()) {
    const std::optional<size_t> earlier = table->exchange(bytes + at, at);
    // Redis never refers to position 0: there it means an empty slot.
    if (!earlier || *earlier == 0 || at - *earlier > kMaxDistance ||
        std::memcmp(bytes + *earlier, bytes + at, kMinMatch) != 0) {
      if (!out.literal(bytes[at])) return std::nullopt;
      ++at;
      continue;
    }
    const size_t length = match_length(bytes + *earlier, bytes + at, input.size() - at);
    if (!out.match(length, at - *earlier)) return std::nullopt;
    at += length;
    if (at + 2 >= input.size()) break;
    // Of the bytes that were copied, only the last two positions are noted.
    table->exchange(bytes + at - 2, at - 2);
    table->exchange(bytes + at - 1, at - 1);
  }
  if (!out.has_room_for_tail()) return std::nullopt;
  out.tail(input.substr(at));
  return out.finish();
}

bool may_expand_to(std::string_view input, uint64_t size) {
  return !input.empty() && size / kMaxExpansion <= input.size();
}

std::optional<std::string> lzf_decompress(std::string_view input, uint64_t size) {
  if (!may_expand_to(input, size)) return std::nullopt;
  std::string out;
  out.reserve(size);
  const size_t end = input.size();
  size_t at = 0;
  while (at < end) {
    const size_t control = static_cast<uint8_t>(input[at++]);
    if (control < kMaxLiterals) {
      const size_t length = control + 1;
      if (length > end - at || length > size - out.size()) return std::nullopt;
      out.append(input.substr(at, length));
      at += length;
      continue;
    }
    size_t length = (control >> 5) + 2;
    if (length == kShortMatch + 1) {
      if (at == end) return std::nullopt;
      length += static_cast<uint8_t>(input[at++]);
    }
    if (at == end) return std::nullopt;
    const size_t back = (control & 0x1f) * 256 + static_cast<uint8_t>(input[at++]) + 1;
    if (back > out.size() || length > size - out.size()) return std::nullopt;
    append_earlier(out, back, length);
  }
  if (out.size() != size) return std::nullopt;
  return out;
}

}  // namespace respcask::server::rdb
