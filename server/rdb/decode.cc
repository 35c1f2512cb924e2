#include "server/rdb/decode.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/rdb/bytes.h"
#include "server/rdb/crc64.h"
#include "server/rdb/element.h"
#include "server/rdb/format.h"
#include "server/rdb/intset.h"
#include "server/rdb/listpack.h"
#include "server/rdb/reader.h"
#include "server/rdb/ziplist.h"
#include "server/rdb/zipmap.h"

namespace respcask::server::rdb {
namespace {

const std::string& name_of(const std::string& member) {
  return member;
}

template <class Second>
const std::string& name_of(const std::pair<std::string, Second>& pair) {
  return pair.first;
}

// Whether no name appears twice. By sorting: a set of chosen names must not make a hash table slow.
template <class Item>
bool names_differ(const std::vector<Item>& items) {
  std::vector<std::string_view> names;
  names.reserve(items.size());
  for (const Item& item : items) names.push_back(name_of(item));
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

void sort_by_score(SortedSet& set) {
  std::sort(set.members.begin(), set.members.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second < b.second : a.first < b.first;
  });
}

// Calls `each(element)` for the elements of a packed blob; stops at the first false. True if the
// blob is whole and so were they.
template <class PackedReader, class Each>
bool for_each_element(std::string_view blob, Each each) {
  PackedReader packed(blob);
  Element element;
  for (;;) {
    const Step step = packed.next(element);
    if (step != Step::kElement) return step == Step::kEnd;
    if (!each(element)) return false;
  }
}

template <class PackedReader>
bool append_elements(std::string_view blob, Budget& budget, std::vector<std::string>& out) {
  return for_each_element<PackedReader>(blob, [&](const Element& element) {
    if (!budget.take_element(element.text.size())) return false;
    out.push_back(element.to_string());
    return true;
  });
}

bool element_score(const Element& element, double& out) {
  if (!element.number) return parse_score(element.text, out);
  out = static_cast<double>(*element.number);
  return true;
}

// `convert(element, second)` makes the pair's second half.
template <class PackedReader, class Second, class Convert>
bool append_pairs(std::string_view blob, Budget& budget,
                  std::vector<std::pair<std::string, Second>>& out, Convert convert) {
  bool second_is_next = false;
  const bool whole = for_each_element<PackedReader>(blob, [&](const Element& element) {
    if (!budget.take_element(element.text.size())) return false;
    second_is_next = !second_is_next;
    if (!second_is_next) return convert(element, out.back().second);
    out.emplace_back(element.to_string(), Second{});
    return true;
  });
  return whole && !second_is_next;
}

template <class PackedReader>
bool decode_packed_hash(Reader& reader, Hash& hash) {
  std::string storage;
  std::string_view blob;
  return reader.string(blob, storage) &&
         append_pairs<PackedReader>(blob, reader.budget(), hash.fields,
                                    [](const Element& element, std::string& value) {
                                      value = element.to_string();
                                      return true;
                                    });
}

template <class PackedReader>
bool decode_packed_zset(Reader& reader, SortedSet& set) {
  std::string storage;
  std::string_view blob;
  return reader.string(blob, storage) &&
         append_pairs<PackedReader>(blob, reader.budget(), set.members, element_score);
}

template <class PackedReader>
bool decode_packed_elements(Reader& reader, std::vector<std::string>& out) {
  std::string storage;
  std::string_view blob;
  return reader.string(blob, storage) && append_elements<PackedReader>(blob, reader.budget(), out);
}

bool decode_strings(Reader& reader, std::vector<std::string>& out) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  for (; count > 0; --count) {
    std::string bytes;
    if (!reader.string(bytes) || !reader.budget().take_element(bytes.size())) return false;
    out.push_back(std::move(bytes));
  }
  return true;
}

bool decode_hash(Reader& reader, Hash& hash) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  for (; count > 0; --count) {
    std::string field;
    std::string value;
    if (!reader.string(field) || !reader.string(value)) return false;
    if (!reader.budget().take_element(field.size() + value.size())) return false;
    hash.fields.emplace_back(std::move(field), std::move(value));
  }
  return true;
}

bool decode_zset(Reader& reader, bool (Reader::*read_score)(double&), SortedSet& set) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  for (; count > 0; --count) {
    std::string member;
    double score = 0;
    if (!reader.string(member) || !(reader.*read_score)(score)) return false;
    if (!reader.budget().take_element(member.size())) return false;
    set.members.emplace_back(std::move(member), score);
  }
  return true;
}

bool decode_ziplist_nodes(Reader& reader, List& list) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  for (; count > 0; --count) {
    if (!decode_packed_elements<ZiplistReader>(reader, list.elements)) return false;
  }
  return true;
}

bool decode_quicklist_nodes(Reader& reader, List& list) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  for (; count > 0; --count) {
    uint64_t container = 0;
    if (!reader.length(container)) return false;
    if (container == kPackedNode) {
      if (!decode_packed_elements<ListpackReader>(reader, list.elements)) return false;
    } else {
      std::string element;
      // Redis refuses an empty plain node, too.
      if (container != kPlainNode || !reader.string(element) || element.empty()) return false;
      list.elements.push_back(std::move(element));
    }
  }
  return true;
}

bool decode_list(Reader& reader, Type type, List& list) {
  switch (type) {
    case Type::kList:
      return decode_strings(reader, list.elements);
    case Type::kListZiplist:
      return decode_packed_elements<ZiplistReader>(reader, list.elements);
    case Type::kListQuicklist:
      return decode_ziplist_nodes(reader, list);
    default:
      return decode_quicklist_nodes(reader, list);
  }
}

bool decode_hash(Reader& reader, Type type, Hash& hash) {
  switch (type) {
    case Type::kHash:
      return decode_hash(reader, hash);
    case Type::kHashZipmap:
      return decode_packed_hash<ZipmapReader>(reader, hash);
    case Type::kHashZiplist:
      return decode_packed_hash<ZiplistReader>(reader, hash);
    default:
      return decode_packed_hash<ListpackReader>(reader, hash);
  }
}

bool decode_zset(Reader& reader, Type type, SortedSet& set) {
  switch (type) {
    case Type::kZset:
      return decode_zset(reader, &Reader::text_score, set);
    case Type::kZset2:
      return decode_zset(reader, &Reader::binary_score, set);
    case Type::kZsetZiplist:
      return decode_packed_zset<ZiplistReader>(reader, set);
    default:
      return decode_packed_zset<ListpackReader>(reader, set);
  }
}

struct IsEmpty {
  bool operator()(const String&) const { return false; }
  bool operator()(const List& list) const { return list.elements.empty(); }
  bool operator()(const Set& set) const { return set.members.empty(); }
  bool operator()(const Hash& hash) const { return hash.fields.empty(); }
  bool operator()(const SortedSet& set) const { return set.members.empty(); }
};

// The body of a value of `type`; only kinds that Redis 7.0 loads are known.
bool decode_body(Reader& reader, Type type, Value& out) {
  switch (type) {
    case Type::kString:
      return reader.string(out.emplace<String>().bytes);
    case Type::kList:
    case Type::kListZiplist:
    case Type::kListQuicklist:
    case Type::kListQuicklist2: {
      return decode_list(reader, type, out.emplace<List>());
    }
    case Type::kSet:
    case Type::kSetIntset: {
      Set& set = out.emplace<Set>();
      const bool whole = type == Type::kSet
                             ? decode_strings(reader, set.members)
                             : decode_packed_elements<IntsetReader>(reader, set.members);
      return whole && names_differ(set.members);
    }
    case Type::kHash:
    case Type::kHashZipmap:
    case Type::kHashZiplist:
    case Type::kHashListpack: {
      Hash& hash = out.emplace<Hash>();
      hash.listpack = type == Type::kHashZiplist || type == Type::kHashListpack;
      return decode_hash(reader, type, hash) && names_differ(hash.fields);
    }
    case Type::kZset:
    case Type::kZset2:
    case Type::kZsetZiplist:
    case Type::kZsetListpack: {
      SortedSet& set = out.emplace<SortedSet>();
      set.listpack = type == Type::kZsetZiplist || type == Type::kZsetListpack;
      if (!decode_zset(reader, type, set) || !names_differ(set.members)) return false;
      sort_by_score(set);
      return true;
    }
  }
  return false;
}

}  // namespace

bool has_valid_footer(std::string_view payload) {
  if (payload.size() < kFooterSize) return false;
  const std::string_view checked = payload.substr(0, payload.size() - sizeof(uint64_t));
  ByteCursor footer(payload.substr(payload.size() - kFooterSize));
  uint64_t version = 0;
  uint64_t checksum = 0;
  return footer.little(2, version) && footer.little(8, checksum) && version <= kRdbVersion &&
         checksum == crc64(checked);
}

Decoded decode(std::string_view payload, const Budget::Ask& may_hold) {
  if (!has_valid_footer(payload)) return DecodeError::kFooter;
  Budget budget(may_hold);
  Reader reader(payload.substr(0, payload.size() - kFooterSize), budget);
  uint8_t type = 0;
  Decoded decoded;
  if (!reader.byte(type) ||
      !decode_body(reader, static_cast<Type>(type), std::get<Value>(decoded)) || !reader.at_end()) {
    return budget.spent() ? DecodeError::kBudget : DecodeError::kFormat;
  }
  if (std::visit(IsEmpty{}, std::get<Value>(decoded))) return DecodeError::kEmpty;
  return decoded;
}

bool is_string(std::string_view payload) {
  return payload.size() > kFooterSize && payload.front() == static_cast<char>(Type::kString);
}

std::optional<std::string_view> string_of(std::string_view payload, std::string& storage) {
  if (!is_string(payload)) return std::nullopt;
  Budget budget([](uint64_t) { return true; });
  Reader reader(payload.substr(1, payload.size() - 1 - kFooterSize), budget);
  std::string_view text;
  if (!reader.string(text, storage) || !reader.at_end()) return std::nullopt;
  return text;
}

}  // namespace respcask::server::rdb
