#include "server/run_ids.h"

#include <random>

namespace respcask::server {

std::string RunIds::make() {
  constexpr int kDigits = 40;
  std::random_device random;
  std::string id;
  for (int i = 0; i < kDigits; ++i) id += "0123456789abcdef"[random() & 15];
  return id;
}

}  // namespace respcask::server
