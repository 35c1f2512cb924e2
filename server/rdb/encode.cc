#include "server/rdb/encode.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "resp/number.h"
#include "server/rdb/format.h"
#include "server/rdb/intset.h"
#include "server/rdb/listpack.h"
#include "server/rdb/lzf.h"
#include "server/rdb/writer.h"

namespace respcask::server::rdb {
namespace {

// Redis lets no listpack grow beyond this.
constexpr size_t kMaxListpackSize = size_t{1} << 30;
// A list element from this size on is a node of its own.
constexpr size_t kMinPlainElementSize = size_t{1} << 30;

// Whether so large a collection may be one listpack.
class ListpackRoom {
 public:
  ListpackRoom(size_t count, size_t max_count, size_t max_element_size)
      : ok_(count <= max_count), max_element_size_(max_element_size) {}

  void add(std::string_view element) {
    total_ += element.size();
    ok_ = ok_ && element.size() <= max_element_size_ && total_ <= kMaxListpackSize;
  }
  bool ok() const { return ok_; }

 private:
  bool ok_;
  size_t max_element_size_;
  size_t total_ = 0;
};

void encode_value(const String& string, const EncodeLimits&, Writer& writer) {
  writer.type(Type::kString);
  writer.string(string.bytes);
}

// What a list node may take: a number of elements or a size.
class NodeLimit {
 public:
  explicit NodeLimit(int64_t list_max_listpack_size) {
    constexpr std::array<size_t, 5> kSizes = {4096, 8192, 16384, 32768, 65536};
    if (list_max_listpack_size < 0) {
      const int64_t level = std::min<int64_t>(-(list_max_listpack_size + 1), kSizes.size() - 1);
      max_size_ = kSizes[static_cast<size_t>(level)];
    } else {
      // Counted nodes must stay this small, too.
      max_size_ = 8192;
      max_count_ = std::min<size_t>(static_cast<size_t>(list_max_listpack_size), 32767);
    }
  }

  bool takes(const ListpackWriter& node, size_t count, std::string_view element) const {
    // Redis's estimate of what an element adds to its own bytes.
    constexpr size_t kElementOverhead = 8;
    const size_t size = (count == 0 ? 0 : node.size()) + element.size() + kElementOverhead;
    return size <= max_size_ && (!max_count_ || count < *max_count_);
  }

 private:
  size_t max_size_;
  std::optional<size_t> max_count_;
};

struct ListNode {
  uint8_t container;
  std::string bytes;
};

std::vector<ListNode> make_nodes(const List& list, const EncodeLimits& limits) {
  const NodeLimit limit(limits.list_max_listpack_size);
  std::vector<ListNode> nodes;
  ListpackWriter open;
  const auto close = [&nodes, &open] {
    if (open.count() == 0) return;
    nodes.push_back({kPackedNode, std::move(open).finish()});
    open = ListpackWriter();
  };
  for (const std::string& element : list.elements) {
    if (element.size() >= kMinPlainElementSize) {
      close();
      nodes.push_back({kPlainNode, element});
      continue;
    }
    if (!limit.takes(open, open.count(), element)) close();
    open.append(std::string_view(element));
  }
  close();
  return nodes;
}

// A node that the list itself keeps compressed, away from its ends, is written as it is kept,
// whatever rdb_compression says.
bool write_kept_compressed(const ListNode& node, Writer& writer) {
  constexpr size_t kMinSize = 48;
  constexpr size_t kMinSaving = 8;
  if (node.bytes.size() < kMinSize) return false;
  const auto compressed = lzf_compress(node.bytes, node.bytes.size());
  if (!compressed || compressed->size() + kMinSaving >= node.bytes.size()) return false;
  writer.compressed_string(*compressed, node.bytes.size());
  return true;
}

void encode_value(const List& list, const EncodeLimits& limits, Writer& writer) {
  const std::vector<ListNode> nodes = make_nodes(list, limits);
  const size_t depth = limits.list_compress_depth;
  writer.type(Type::kListQuicklist2);
  writer.length(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    writer.length(nodes[i].container);
    const bool interior = depth > 0 && i >= depth && nodes.size() - i > depth;
    if (interior && write_kept_compressed(nodes[i], writer)) continue;
    writer.string(nodes[i].bytes);
  }
}

// The members as ascending integers, if all of them are and there are few enough.
std::optional<std::vector<int64_t>> as_integers(const Set& set, size_t max_count) {
  if (set.members.size() > max_count) return std::nullopt;
  std::vector<int64_t> numbers;
  numbers.reserve(set.members.size());
  for (const std::string& member : set.members) {
    const auto number = resp::parse_int64(member);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void encode_value(const Set& set, const EncodeLimits& limits, Writer& writer) {
  if (const auto numbers = as_integers(set, limits.set_max_intset_entries)) {
    writer.type(Type::kSetIntset);
    writer.string(write_intset(*numbers));
    return;
  }
  writer.type(Type::kSet);
  writer.length(set.members.size());
  for (const std::string& member : set.members) writer.string(member);
}

void encode_value(const Hash& hash, const EncodeLimits& limits, Writer& writer) {
  ListpackRoom room(hash.fields.size(), limits.hash_max_listpack_entries,
                    limits.hash_max_listpack_value);
  for (const auto& [field, value] : hash.fields) {
    room.add(field);
    room.add(value);
  }
  if (room.ok()) {
    ListpackWriter listpack;
    for (const auto& [field, value] : hash.fields) {
      listpack.append(std::string_view(field));
      listpack.append(std::string_view(value));
    }
    writer.type(Type::kHashListpack);
    writer.string(std::move(listpack).finish());
    return;
  }
  writer.type(Type::kHash);
  writer.length(hash.fields.size());
  for (const auto& [field, value] : hash.fields) {
    writer.string(field);
    writer.string(value);
  }
}

// A score in a listpack: an integer, or text with 17 digits.
void append_score(ListpackWriter& listpack, double score) {
  if (const auto integer = listpack_integer(score)) return listpack.append(*integer);
  listpack.append(std::string_view(fmt::format("{:.17g}", score)));
}

void encode_value(const SortedSet& set, const EncodeLimits& limits, Writer& writer) {
  ListpackRoom room(set.members.size(), limits.zset_max_listpack_entries,
                    limits.zset_max_listpack_value);
  for (const auto& [member, score] : set.members) room.add(member);
  if (room.ok()) {
    ListpackWriter listpack;
    for (const auto& [member, score] : set.members) {
      listpack.append(std::string_view(member));
      append_score(listpack, score);
    }
    writer.type(Type::kZsetListpack);
    writer.string(std::move(listpack).finish());
    return;
  }
  writer.type(Type::kZset2);
  writer.length(set.members.size());
  // From the greatest down, so that a reader's every insertion is at the front.
  for (auto member = set.members.rbegin(); member != set.members.rend(); ++member) {
    writer.string(member->first);
    writer.binary_score(member->second);
  }
}

}  // namespace

std::string encode(const Value& value, const EncodeLimits& limits) {
  Writer writer(limits.rdb_compression);
  std::visit([&](const auto& kind) { encode_value(kind, limits, writer); }, value);
  return std::move(writer).finish();
}

}  // namespace respcask::server::rdb
