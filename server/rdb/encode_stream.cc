#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rdb/encode.h"
#include "server/rdb/format.h"
#include "server/rdb/listpack.h"

namespace respcask::server::rdb {
namespace {

// Redis lets no node grow beyond this.
constexpr size_t kMaxNodeSize = size_t{1} << 30;

int64_t difference(uint64_t a, uint64_t b) {
  return static_cast<int64_t>(a - b);
}

// A node while it is being filled. Its first element, the count of live entries, is known last.
class NodeWriter {
 public:
  // `first` lends its field names until the node is finished.
  explicit NodeWriter(const StreamEntry& first) : master_(first) {
    constexpr int64_t kNoneDeleted = 0;
    constexpr int64_t kTerminator = 0;
    rest_.append(kNoneDeleted);
    rest_.append(static_cast<int64_t>(first.fields.size()));
    for (const auto& [name, value] : first.fields) rest_.append(std::string_view(name));
    rest_.append(kTerminator);
    append(first);
  }

  bool takes(const StreamEntry& entry, const EncodeLimits& limits) const {
    const size_t limit = limits.stream_node_max_bytes;
    const size_t max_size = limit == 0 ? kMaxNodeSize : std::min(limit, kMaxNodeSize);
    size_t size = rest_.size() + ListpackWriter::element_size(entries_);
    for (const auto& [name, value] : entry.fields) size += name.size() + value.size();
    if (size >= max_size) return false;
    const size_t max_entries = limits.stream_node_max_entries;
    return max_entries == 0 || static_cast<size_t>(entries_) < max_entries;
  }

  void append(const StreamEntry& entry) {
    const bool same_fields = has_master_fields(entry);
    const auto fields = static_cast<int64_t>(entry.fields.size());
    rest_.append(same_fields ? kEntrySameFields : 0);
    rest_.append(difference(entry.id.ms, master_.id.ms));
    rest_.append(difference(entry.id.seq, master_.id.seq));
    if (!same_fields) rest_.append(fields);
    for (const auto& [name, value] : entry.fields) {
      if (!same_fields) rest_.append(std::string_view(name));
      rest_.append(std::string_view(value));
    }
    rest_.append(same_fields ? fields + 3 : 2 * fields + 4);
    ++entries_;
  }

  void write(Writer& writer) const {
    ListpackWriter whole;
    whole.append(entries_);
    whole.append(rest_);
    writer.string(raw_id_bytes(master_.id));
    writer.string(std::move(whole).finish());
  }

 private:
  bool has_master_fields(const StreamEntry& entry) const {
    return std::equal(entry.fields.begin(), entry.fields.end(), master_.fields.begin(),
                      master_.fields.end(),
                      [](const auto& a, const auto& b) { return a.first == b.first; });
  }

  const StreamEntry& master_;
  ListpackWriter rest_;
  int64_t entries_ = 0;
};

void encode_nodes(const std::vector<StreamEntry>& entries, const EncodeLimits& limits,
                  Writer& writer) {
  std::vector<NodeWriter> nodes;
  for (const StreamEntry& entry : entries) {
    if (nodes.empty() || !nodes.back().takes(entry, limits)) {
      nodes.emplace_back(entry);
    } else {
      nodes.back().append(entry);
    }
  }
  writer.length(nodes.size());
  for (const NodeWriter& node : nodes) node.write(writer);
}

void encode_group(const StreamGroup& group, Writer& writer) {
  writer.string(group.name);
  writer.id(group.last_id);
  writer.length(group.entries_read.value_or(std::numeric_limits<uint64_t>::max()));
  writer.length(group.pending.size());
  for (const StreamPending& pending : group.pending) {
    writer.raw_id(pending.id);
    writer.time_ms(pending.delivery_time_ms);
    writer.length(pending.delivery_count);
  }
  writer.length(group.consumers.size());
  for (const StreamConsumer& consumer : group.consumers) {
    writer.string(consumer.name);
    writer.time_ms(consumer.seen_time_ms);
    writer.length(consumer.pending.size());
    for (const StreamId id : consumer.pending) writer.raw_id(id);
  }
}

}  // namespace

void encode_stream(const Stream& stream, const EncodeLimits& limits, Writer& writer) {
  encode_nodes(stream.entries, limits, writer);
  writer.length(stream.entries.size());
  writer.id(stream.last_id);
  writer.id(stream.first_id);
  writer.id(stream.max_deleted_id);
  writer.length(stream.entries_added);
  writer.length(stream.groups.size());
  for (const StreamGroup& group : stream.groups) encode_group(group, writer);
}

}  // namespace respcask::server::rdb
