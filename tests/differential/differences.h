// The differences that are meant: how two replies to the same command are compared where they need
// not be the same bytes, each with its reason. Everything else must be equal byte for byte.
//
// Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/reply.h"

namespace respcask::differential {

enum class Comparison : uint8_t {
  kNear,            // integers: both negative and equal, or not more than kTolerance apart
  kUnordered,       // the same elements in any order, at every depth
  kUnorderedPairs,  // the same pairs in any order
  kPage,            // of a scan: what it holds counts only if it is the whole of it, for both
  kSubset,          // ours has nothing that theirs has not
  kShape,           // the same types all the way down, whatever they say
};
// In the unit of the reply: seconds or milliseconds. A busy machine may hold a server up this long.
inline constexpr int64_t kToleranceSeconds = 20;

struct Difference {
  std::string_view command;  // its first words, in lower case
  Comparison comparison;
  std::string_view reason;
};

std::span<const Difference> differences();

// A command that is not sent at all, with the reason; "client|list" for a subcommand.
struct NotCompared {
  std::string_view command;
  std::string_view reason;
};
std::span<const NotCompared> not_compared();

// Whether `ours` is the right answer to `args` where Redis answered `theirs`. `held_up`: by so much
// more may times differ.
bool same(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours,
          std::chrono::milliseconds held_up = {});

}  // namespace respcask::differential
