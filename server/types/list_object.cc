// Lists as objects of any type (object.h).

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/types/list.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

// In Redis 7.0 every list is one, however short.
std::string_view encoding(Context&, const KeyRef&, const engine::KeydirEntry&) {
  return "quicklist";
}

uint64_t length(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  return ListReader(c, key, entry).length();
}

rdb::Value read_whole(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  rdb::List list;
  ListReader reader(c, key, entry);
  reader.visit_forward(0, reader.length(), ListReader::Extent::kAll, [&](std::string_view element) {
    if (!c.hold_text(element.size())) return false;
    list.elements.emplace_back(element);
    return true;
  });
  return list;
}

bool write_whole(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value) {
  const std::vector<std::string>& elements = std::get<rdb::List>(value).elements;
  const std::vector<std::string_view> values(elements.begin(), elements.end());
  if (!c.reserve(key, put_list_bound(key, values))) return false;
  put_list(c, key, expiry_ms, values);
  return true;
}

bool copy_split(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                int64_t expiry_ms) {
  std::vector<std::string_view> values;
  ListReader reader(c, from, entry);
  reader.visit_forward(0, reader.length(), ListReader::Extent::kAll, [&](std::string_view element) {
    values.push_back(element);
    return true;
  });
  if (!c.ready() || !c.reserve(to, put_list_bound(to, values))) return false;
  put_list(c, to, expiry_ms, values);
  return true;
}

}  // namespace

constexpr ObjectType kListObject = {
    .type = Type::kList,
    .encoding = encoding,
    .length = length,
    .read = read_whole,
    .write = write_whole,
    .copy_split = copy_split,
};

}  // namespace respcask::server
