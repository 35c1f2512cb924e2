// Strings as objects of any type (object.h).

#include <string>
#include <utility>
#include <variant>

#include "server/types/object.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

rdb::Value read_whole(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  rdb::String value;
  const std::string_view bytes = read_string(c, key, entry, value.bytes);
  if (bytes.data() != value.bytes.data() && c.hold(bytes.size())) value.bytes = bytes;
  return value;
}

bool write_whole(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value) {
  const std::string& bytes = std::get<rdb::String>(value).bytes;
  if (!c.reserve(key, put_string_bound(key, bytes.size()))) return false;
  put_string(c, key, Encoding::kCompact, expiry_ms, bytes);
  return true;
}

}  // namespace

constexpr ObjectType kStringObject = {
    .type = Type::kString,
    .encoding = string_encoding,
    .length = string_length,
    .read = read_whole,
    .write = write_whole,
    .copy_split = copy_string,
};

}  // namespace respcask::server
