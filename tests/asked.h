// What the environment asks of a test: a seed, how often. Any thread that changes no variable.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

namespace respcask {

// Nothing if the variable is not there or empty, as scripts leave it without an argument. What is
// no number ends the test.
inline std::optional<uint64_t> asked(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::stoull(text);
}

}  // namespace respcask
