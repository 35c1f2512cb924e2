#include "resp/peek.h"

#include <cstdint>

#include "resp/plain_number.h"

namespace respcask::resp {
namespace {

// A request with more arguments takes longer to look at than getting ready for it saves.
constexpr int64_t kMostArguments = 64;

// The end of the request that begins at `at`, or nullptr; its arguments, if any.
const char* peek_one(const char* at, const char* end, PeekedArguments& arguments) {
  const PlainNumber count = read_plain_number('*', at, end);
  if (count.behind == nullptr || count.value > kMostArguments) return nullptr;
  at = count.behind;
  for (int64_t i = 0; i < count.value; ++i) {
    const PlainNumber length = read_plain_number('$', at, end);
    if (length.behind == nullptr || end - length.behind < length.value + 2) return nullptr;
    // The name is none of them.
    if (const auto place = static_cast<size_t>(i - 1); place < arguments.size()) {
      arguments[place] = {length.behind, static_cast<size_t>(length.value)};
    }
    at = length.behind + length.value + 2;
  }
  return at;
}

}  // namespace

Peeked peek(std::string_view unread, std::span<PeekedArguments> arguments) {
  const char* const begin = unread.data();
  const char* const end = begin + unread.size();
  const char* at = begin;
  Peeked peeked;
  while (peeked.requests < arguments.size()) {
    PeekedArguments& found = arguments[peeked.requests];
    found = {};
    const char* const behind = peek_one(at, end, found);
    if (behind == nullptr) break;
    ++peeked.requests;
    at = behind;
  }
  peeked.bytes = static_cast<size_t>(at - begin);
  return peeked;
}

}  // namespace respcask::resp
