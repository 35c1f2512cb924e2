#include "server/rdb/decode_stream.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rdb/format.h"
#include "server/rdb/listpack.h"

namespace respcask::server::rdb {
namespace {

constexpr uint64_t kUnknownEntriesRead = std::numeric_limits<uint64_t>::max();
// XADD takes no entry larger than this, and a listpack could not hold it.
constexpr uint64_t kMaxEntrySize = uint64_t{1} << 30;

// A node names its fields once, and each entry that has them repeats the names in memory: a forged
// payload of some kilobytes could claim gigabytes. What the entries repeat may be this many times
// the payload itself, as it came (an entry takes two bytes at least per field, so that this allows
// for names of 500 bytes in endless nodes that are not compressed), or this much altogether.
constexpr uint64_t kMaxNameRepetition = 256;
constexpr uint64_t kMaxRepeatedNames = uint64_t{64} << 20;

// Reads one node. The listpack is known to be whole only when its end was reached.
class NodeReader {
 public:
  NodeReader(StreamId master_id, std::string_view listpack)
      : master_id_(master_id), packed_(listpack) {}

  bool read(std::vector<StreamEntry>& out, uint64_t& name_budget) {
    uint64_t live = 0;
    uint64_t deleted = 0;
    int64_t terminator = 0;
    if (!count(live) || !count(deleted) || !master_fields() || !integer(terminator)) return false;
    if (terminator != 0) return false;
    // Neither count is trusted: they are compared with what was found.
    uint64_t found_live = 0;
    uint64_t found = 0;
    for (;;) {
      Element element;
      const Step step = packed_.next(element);
      if (step == Step::kDamaged) return false;
      if (step == Step::kEnd) break;
      StreamEntry entry;
      bool is_live = false;
      if (!read_entry(element, entry, is_live, name_budget)) return false;
      ++found;
      if (!is_live) continue;
      ++found_live;
      out.push_back(std::move(entry));
    }
    return live + deleted == found && live == found_live;
  }

 private:
  bool element(Element& out) { return packed_.next(out) == Step::kElement; }

  bool integer(int64_t& out) {
    Element found;
    return element(found) && to_integer(found, out);
  }

  static bool to_integer(const Element& found, int64_t& out) {
    const std::optional<int64_t> number = found.to_integer();
    if (number) out = *number;
    return number.has_value();
  }

  bool count(uint64_t& out) {
    int64_t number = 0;
    if (!integer(number) || number < 0) return false;
    out = static_cast<uint64_t>(number);
    return true;
  }

  bool text(std::string& out) {
    Element found;
    if (!element(found)) return false;
    out = found.to_string();
    return true;
  }

  bool master_fields() {
    uint64_t fields = 0;
    if (!count(fields)) return false;
    for (; fields > 0; --fields) {
      std::string name;
      if (!text(name)) return false;
      names_size_ += name.size() + sizeof(std::string);
      master_fields_.push_back(std::move(name));
    }
    return true;
  }

  bool read_entry(const Element& first, StreamEntry& entry, bool& is_live, uint64_t& name_budget) {
    int64_t flags = 0;
    int64_t ms = 0;
    int64_t seq = 0;
    if (!to_integer(first, flags) || !integer(ms) || !integer(seq)) return false;
    is_live = (flags & kEntryDeleted) == 0;
    entry.id = {master_id_.ms + static_cast<uint64_t>(ms),
                master_id_.seq + static_cast<uint64_t>(seq)};
    uint64_t elements = 3;
    uint64_t size = 0;
    const bool same_fields = (flags & kEntrySameFields) != 0;
    uint64_t fields = master_fields_.size();
    if (same_fields) {
      if (is_live && names_size_ > name_budget) return false;
      if (is_live) name_budget -= names_size_;
    } else {
      if (!count(fields)) return false;
      ++elements;
    }
    for (uint64_t i = 0; i < fields; ++i) {
      std::pair<std::string, std::string> field;
      if (same_fields) {
        if (is_live) field.first = master_fields_[i];
      } else {
        if (!text(field.first)) return false;
        ++elements;
      }
      if (!text(field.second)) return false;
      ++elements;
      size += field.first.size() + field.second.size() + 2 * sizeof(uint64_t);
      if (size > kMaxEntrySize) return false;
      if (is_live) entry.fields.push_back(std::move(field));
    }
    uint64_t claimed_elements = 0;
    return count(claimed_elements) && claimed_elements == elements;
  }

  StreamId master_id_;
  ListpackReader packed_;
  std::vector<std::string> master_fields_;
  uint64_t names_size_ = 0;
};

bool decode_nodes(Reader& reader, std::vector<StreamEntry>& out) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  uint64_t name_budget = kMaxRepeatedNames + kMaxNameRepetition * reader.remaining();
  for (; count > 0; --count) {
    std::string id_storage;
    std::string_view id_bytes;
    std::string storage;
    std::string_view listpack;
    if (!reader.string(id_bytes, id_storage) || !reader.string(listpack, storage)) return false;
    Reader id_reader(id_bytes);
    StreamId master_id;
    if (!id_reader.raw_id(master_id) || !id_reader.at_end()) return false;
    if (!NodeReader(master_id, listpack).read(out, name_budget)) return false;
  }
  const auto not_ascending = [](const StreamEntry& a, const StreamEntry& b) {
    return a.id >= b.id;
  };
  const bool ascends = std::adjacent_find(out.begin(), out.end(), not_ascending) == out.end();
  return ascends && (out.empty() || out.front().id > StreamId{});
}

// How many entries were ever added up to `id`, where that can be told: what Redis 7 puts in for a
// group of an older version (there, nothing was deleted as far as is known).
std::optional<uint64_t> estimate_entries_read(const Stream& stream, StreamId id) {
  if (stream.entries_added == 0) return 0;
  if (id == stream.last_id) return stream.entries_added;
  if (id > stream.last_id) return std::nullopt;
  // All that is missing was trimmed from the front.
  const uint64_t trimmed = stream.entries_added - stream.entries.size();
  if (id < stream.first_id) return trimmed;
  if (id == stream.first_id) return trimmed + 1;
  return std::nullopt;
}

bool decode_group_pending(Reader& reader, StreamGroup& group) {
  uint64_t count = 0;
  if (!reader.length(count)) return false;
  for (; count > 0; --count) {
    StreamPending pending;
    if (!reader.raw_id(pending.id) || !reader.time_ms(pending.delivery_time_ms) ||
        !reader.length(pending.delivery_count)) {
      return false;
    }
    group.pending.push_back(pending);
  }
  std::sort(group.pending.begin(), group.pending.end(),
            [](const StreamPending& a, const StreamPending& b) { return a.id < b.id; });
  const auto same_id = [](const StreamPending& a, const StreamPending& b) { return a.id == b.id; };
  return std::adjacent_find(group.pending.begin(), group.pending.end(), same_id) ==
         group.pending.end();
}

bool decode_consumer(Reader& reader, StreamConsumer& out) {
  uint64_t count = 0;
  if (!reader.string(out.name) || !reader.time_ms(out.seen_time_ms) || !reader.length(count)) {
    return false;
  }
  for (; count > 0; --count) {
    StreamId id;
    if (!reader.raw_id(id)) return false;
    out.pending.push_back(id);
  }
  std::sort(out.pending.begin(), out.pending.end());
  return true;
}

// Whether each pending entry of the group is one consumer's, and the consumers have no others.
bool consumers_share_pending(const StreamGroup& group) {
  std::vector<StreamId> owned;
  for (const StreamConsumer& consumer : group.consumers) {
    owned.insert(owned.end(), consumer.pending.begin(), consumer.pending.end());
  }
  std::sort(owned.begin(), owned.end());
  return std::equal(owned.begin(), owned.end(), group.pending.begin(), group.pending.end(),
                    [](StreamId id, const StreamPending& pending) { return id == pending.id; });
}

template <class Named>
bool names_differ(const std::vector<Named>& items) {
  std::vector<std::string_view> names;
  names.reserve(items.size());
  for (const Named& item : items) names.push_back(item.name);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

bool decode_group(Reader& reader, bool has_offsets, const Stream& stream, StreamGroup& out) {
  if (!reader.string(out.name) || !reader.id(out.last_id)) return false;
  if (has_offsets) {
    uint64_t entries_read = 0;
    if (!reader.length(entries_read)) return false;
    if (entries_read != kUnknownEntriesRead) {
      // Redis holds it in a signed integer.
      if (entries_read > std::numeric_limits<int64_t>::max()) return false;
      out.entries_read = entries_read;
    }
  } else {
    out.entries_read = estimate_entries_read(stream, out.last_id);
  }
  uint64_t consumers = 0;
  if (!decode_group_pending(reader, out) || !reader.length(consumers)) return false;
  for (; consumers > 0; --consumers) {
    if (!decode_consumer(reader, out.consumers.emplace_back())) return false;
  }
  return names_differ(out.consumers) && consumers_share_pending(out);
}

}  // namespace

bool decode_stream(Reader& reader, bool has_offsets, Stream& out) {
  uint64_t length = 0;
  if (!decode_nodes(reader, out.entries) || !reader.length(length) || !reader.id(out.last_id)) {
    return false;
  }
  if (length != out.entries.size()) return false;
  if (!out.entries.empty() && out.entries.back().id > out.last_id) return false;
  if (has_offsets) {
    if (!reader.id(out.first_id) || !reader.id(out.max_deleted_id) ||
        !reader.length(out.entries_added)) {
      return false;
    }
  } else {
    out.entries_added = length;
    if (!out.entries.empty()) out.first_id = out.entries.front().id;
  }
  uint64_t groups = 0;
  if (!reader.length(groups)) return false;
  for (; groups > 0; --groups) {
    if (!decode_group(reader, has_offsets, out, out.groups.emplace_back())) return false;
  }
  return names_differ(out.groups);
}

}  // namespace respcask::server::rdb
