// Digests of data: the same for the same data, whatever the order in which it is met, and the same
// as those of Redis's DEBUG DIGEST.
//
// Redis's rule: to add bytes is to combine their SHA-1 with the digest by exclusive or, which knows
// no order; to mix them in is to add them and take the SHA-1 of the result, which does. What has an
// order (list elements, the parts of a pair) is mixed, what has none (members, fields, keys) is
// digested by itself and added. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/rdb/value.h"
#include "server/sha1.h"

namespace respcask::server {

class Digest {
 public:
  void add(std::string_view bytes);
  void add(const Digest& other) { add(other.bytes()); }
  void mix(std::string_view bytes);
  // Mixes in a number as Redis does: four bytes, the highest first.
  void mix_number(uint32_t number);
  const Sha1Digest& value() const { return value_; }

 private:
  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(value_.data()), value_.size()};
  }
  Sha1Digest value_{};
};

// Mixes in what a key holds, and whether it expires.
void mix_object(Digest& digest, const rdb::Value& value, bool expires);

}  // namespace respcask::server
