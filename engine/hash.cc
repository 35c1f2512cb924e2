#include "engine/hash.h"

#include <sys/random.h>

#include <cassert>
#include <cerrno>

namespace respcask::engine {

HashSeed HashSeed::random() {
  HashSeed seed;
  ssize_t got;
  do {
    got = getrandom(&seed, sizeof seed, 0);
  } while (got < 0 && errno == EINTR);
  assert(got == static_cast<ssize_t>(sizeof seed));  // up to 256 bytes come whole or not at all
  return seed;
}

}  // namespace respcask::engine
