// How much more memory a function has resident at once, at most, than there was before it; for
// tests of commands whose arguments could have them hold the same again and again. 0 where that
// is not known: the system does not say, or a sanitizer keeps what was freed. What the allocator
// has at hand is not seen: ask for much.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace respcask::server::testing {

inline uint64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kib = 0;
    if (word == name && status >> kib) return kib * 1024;
  }
  return 0;
}

template <class Function>
uint64_t peak_bytes_of(const Function& function) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  function();
  MESSAGE("a sanitizer keeps what was freed: memory is not looked at");
  return 0;
#else
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak falls to what is resident now
  const uint64_t before = status_bytes("VmRSS:");
  const bool known = status_bytes("VmHWM:") < before + (uint64_t{1} << 20);
  function();
  if (!known) MESSAGE("the system does not tell of the peak: memory is not looked at");
  const uint64_t peak = status_bytes("VmHWM:");
  return known && peak > before ? peak - before : 0;
#endif
}

}  // namespace respcask::server::testing
