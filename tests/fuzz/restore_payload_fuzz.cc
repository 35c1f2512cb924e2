// Fuzz target: any body under a right footer is refused or a value, and a value comes back the same
// after it was encoded under any limits.
//
// Input: a byte that chooses the limits, then the payload without its footer.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "server/rdb/bytes.h"
#include "server/rdb/crc64.h"
#include "server/rdb/decode.h"
#include "server/rdb/encode.h"
#include "server/rdb/format.h"

namespace respcask::server::rdb {
namespace {

EncodeLimits limits_of(uint8_t choice) {
  EncodeLimits limits;
  limits.rdb_compression = (choice & 1) != 0;
  if ((choice & 2) != 0) limits.list_max_listpack_size = choice >> 4;
  if ((choice & 4) != 0) limits.list_compress_depth = 1;
  if ((choice & 8) != 0) {
    const size_t few = choice >> 4;
    limits.hash_max_listpack_entries = few;
    limits.set_max_intset_entries = few;
    limits.zset_max_listpack_entries = few;
  }
  return limits;
}

// An intset is sorted by number; otherwise the order stays.
Value normalized(Value value) {
  if (Set* set = std::get_if<Set>(&value)) std::sort(set->members.begin(), set->members.end());
  return value;
}

void run(std::string_view input) {
  if (input.empty()) return;
  std::string payload(input.substr(1));
  append_little(payload, kRdbVersion, 2);
  append_little(payload, crc64(payload), 8);
  const Decoded decoded = decode(payload);
  const Value* value = std::get_if<Value>(&decoded);
  if (value == nullptr) return;
  const std::string again = encode(*value, limits_of(static_cast<uint8_t>(input.front())));
  const Decoded second = decode(again);
  const Value* same = std::get_if<Value>(&second);
  if (same != nullptr && normalized(*same) == normalized(*value)) return;
  std::fprintf(stderr, "a decoded value was encoded as another\n");
  std::abort();
}

}  // namespace
}  // namespace respcask::server::rdb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::server::rdb::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
