#include "server/types/string.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <limits>

#include "engine/format.h"
#include "resp/number.h"
#include "server/config/config.h"
#include "server/types/string_chunks.h"

namespace respcask::server {

namespace {

constexpr uint64_t kChunkBytes = StringChunks::kChunkBytes;
constexpr std::string_view kHeader("\x01", 1);
constexpr size_t kMaxEmbstr = 44;  // Redis keeps longer strings raw
// Chunks requested after one that is cold, at least, where a visit may stop (Extent::kMayStop).
constexpr uint64_t kLeastAhead = 256;
constexpr uint64_t kRecordOverhead = 128;  // above what a record's header, name and checksum take

// What absent chunks and gaps read as.
constexpr std::array<char, 64 * 1024> kZeros{};
static_assert(kZeros.size() >= kPackedEditBytes && kZeros.size() % kChunkBytes == 0);

std::string_view zeros(uint64_t size) {
  assert(size <= kZeros.size());
  return {kZeros.data(), size};
}

bool all_zero(std::string_view bytes) {
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

StringChunks& chunks_of(engine::Shard& shard, const engine::KeydirEntry& entry) {
  return static_cast<StringChunks&>(shard.collection(entry.collection));
}

constexpr TypeTag kSplitTag = TypeTag::of(Type::kString, Encoding::kPlain);

void put_chunk(engine::Shard& shard, const engine::KeydirEntry& root, uint32_t chunk,
               std::span<const std::string_view> payload) {
  const StringChunks::Name name(chunk);
  const engine::ElementLocation at =
      shard.put_element(root.collection, kSplitTag.byte, name.view(), payload);
  if (auto old = chunks_of(shard, root).put(chunk, at.where, at.value_size)) {
    shard.element_dropped(*old);
  }
}

// All chunks of a string that has none yet, but those of zeros.
void put_chunks(engine::Shard& shard, const engine::KeydirEntry& root, std::string_view value) {
  for (uint32_t chunk = 0; !value.empty(); ++chunk) {
    const std::string_view payload = value.substr(0, kChunkBytes);
    value.remove_prefix(payload.size());
    if (!value.empty() && all_zero(payload)) continue;
    put_chunk(shard, root, chunk, {&payload, 1});
  }
}

// Bytes of the range that no chunk is kept of, about, where they are enough to matter.
uint64_t gap_bytes(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, uint64_t begin,
                   uint64_t end) {
  constexpr uint64_t kFewBytes = 1 << 20;
  if (entry.collection == 0 || end - begin < kFewBytes) return 0;
  const StringChunks& chunks = chunks_of(c.shard(key), entry);
  uint64_t bytes = 0;
  for (uint64_t chunk = begin / kChunkBytes; chunk < end / kChunkBytes; ++chunk) {
    if (chunks.find(chunk).size == 0) bytes += kChunkBytes;
  }
  return bytes;
}

}  // namespace

uint64_t string_length(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  if (entry.collection == 0) return entry.value_size;
  return chunks_of(c.shard(key), entry).length();
}

void visit_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, uint64_t begin,
                  uint64_t end, Extent extent, engine::FunctionRef<bool(std::string_view)> visit) {
  if (begin >= end) return;
  if (entry.collection == 0) {
    const std::string_view value = c.read(key, entry);
    if (c.ready()) visit(value.substr(begin, end - begin));
    return;
  }
  const StringChunks& chunks = chunks_of(c.shard(key), entry);
  const bool was_ready = c.ready();
  uint64_t visited = 0;
  uint64_t ahead = 0;
  while (begin < end) {
    const uint64_t number = begin / kChunkBytes;
    const uint64_t in_chunk = begin % kChunkBytes;
    const StringChunks::Chunk chunk = chunks.find(number);
    uint64_t size = std::min(end - begin, kChunkBytes - in_chunk);
    if (in_chunk < chunk.size) {
      size = std::min(size, chunk.size - in_chunk);
      const std::string_view payload = c.read(key, chunk.where, chunk.size);
      if (c.ready() && !visit(payload.substr(in_chunk, size))) return;
    } else {
      // As many absent chunks at once as there are in a row.
      for (uint64_t next = number + 1;
           begin + size < end && size + kChunkBytes <= kZeros.size() && chunks.find(next).size == 0;
           ++next) {
        size += std::min(end - begin - size, kChunkBytes);
      }
      if (c.ready() && !visit(zeros(size))) return;
    }
    begin += size;
    if (c.ready()) {
      ++visited;
    } else if (was_ready && extent == Extent::kMayStop &&
               ++ahead > std::max(visited, kLeastAhead)) {
      return;
    }
  }
}

std::string_view read_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                             std::string& scratch) {
  if (entry.collection == 0) return c.read(key, entry);
  // It may be far longer than what is kept of it.
  const uint64_t length = string_length(c, key, entry);
  if (length > scratch.capacity() && !c.hold(length - scratch.capacity())) return {};
  scratch.clear();
  scratch.reserve(length);
  visit_string(c, key, entry, 0, length, Extent::kAll, [&](std::string_view piece) {
    scratch.append(piece);
    return true;
  });
  return scratch;
}

void reply_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, uint64_t begin,
                  uint64_t end) {
  // The reply may be far longer than what is kept of the string. What is lent to it is copied if it
  // does not leave in this turn; what is not is copied whenever the reply grows.
  const uint64_t not_lent =
      c.reply().borrows() ? gap_bytes(c, key, entry, begin, end) : end - begin;
  if (!c.expect(c.reply().size() + c.reply().size_with_lent() + end - begin + not_lent)) return;
  const bool large = end - begin >= Context::kLentBytes;
  c.reply().bulk_header(end - begin);
  visit_string(c, key, entry, begin, end, Extent::kAll, [&](std::string_view piece) {
    if (large) {
      c.reply_part(piece);
    } else {
      c.reply().raw(piece);
    }
    return true;
  });
  c.reply().crlf();
}

void reply_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  if (entry.collection == 0) {
    c.reply_value(c.read(key, entry));
    return;
  }
  reply_string(c, key, entry, 0, string_length(c, key, entry));
}

std::string_view string_encoding(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  const Encoding encoding = TypeTag{entry.type}.encoding();
  if (entry.collection != 0 || entry.value_size > kMaxEmbstr || encoding == Encoding::kPlain) {
    return "raw";
  }
  if (entry.value_size > resp::kMaxInt64Chars || encoding == Encoding::kEmbstr) return "embstr";
  return resp::parse_int64(c.read(key, entry)) ? "int" : "embstr";
}

bool check_string_length(Context& c, uint64_t length, uint64_t more) {
  const uint64_t most = std::min(c.config().proto_max_bulk_len, StringChunks::kMaxLength);
  if (length <= most && more <= most - length) return true;
  c.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return false;
}

void put_string(Context& c, const KeyRef& key, Encoding encoding, int64_t expiry_ms,
                std::string_view value) {
  if (value.size() <= c.config().string_chunk_threshold) {
    c.put(key, TypeTag::of(Type::kString, encoding), expiry_ms, {value});
    return;
  }
  const engine::KeydirEntry root = c.put_split(key, kSplitTag, expiry_ms, kHeader);
  put_chunks(c.shard_for_write(key), root, value);
}

uint64_t put_string_bound(const KeyRef& key, uint64_t length) {
  const uint64_t chunks = length / kChunkBytes + 2;
  return key.name.size() + length + chunks * kRecordOverhead;
}

bool copy_string(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                 int64_t expiry_ms) {
  const StringChunks& chunks = chunks_of(c.shard(from), entry);
  const uint64_t count = (chunks.length() + kChunkBytes - 1) / kChunkBytes;
  std::vector<std::pair<uint32_t, std::string_view>> payloads;
  uint64_t bytes = put_string_bound(to, 0);
  for (uint64_t number = 0; number < count; ++number) {
    const StringChunks::Chunk chunk = chunks.find(number);
    if (chunk.size == 0) continue;
    payloads.emplace_back(static_cast<uint32_t>(number), c.read(from, chunk.where, chunk.size));
    bytes += kRecordOverhead + chunk.size;
  }
  if (!c.ready() || !c.reserve(to, bytes)) return false;
  const engine::KeydirEntry root = c.put_split(to, kSplitTag, expiry_ms, kHeader);
  for (const auto& [number, payload] : payloads) {
    put_chunk(c.shard_for_write(to), root, number, {&payload, 1});
  }
  return true;
}

StringEdit::StringEdit(Context& c, const KeyRef& key,
                       const std::optional<engine::KeydirEntry>& entry)
    : c_(c), key_(key), entry_(entry) {
  if (entry_) length_ = string_length(c, key, *entry_);
}

void StringEdit::load_to_copy(uint64_t begin, uint64_t end) {
  for (uint64_t chunk = begin / kChunkBytes; chunk <= (end - 1) / kChunkBytes; ++chunk) {
    load_chunk(chunk);
  }
}

void StringEdit::load_to_patch(uint64_t begin, uint64_t end) {
  // Chunks that are overwritten from their start to their end need not be read.
  load_chunk(begin / kChunkBytes);
  load_chunk((end - 1) / kChunkBytes);
}

void StringEdit::load_chunk(uint64_t chunk) {
  if (!entry_) return;
  if (entry_->collection == 0) {
    if (!packed_loaded_) packed_ = c_.read(key_, *entry_);
    packed_loaded_ = true;
    return;
  }
  const StringChunks::Chunk found = chunks_of(c_.shard(key_), *entry_).find(chunk);
  if (found.size == 0) return;
  const auto number = static_cast<uint32_t>(chunk);
  auto at = std::lower_bound(chunks_.begin(), chunks_.end(), number,
                             [](const auto& loaded, uint32_t n) { return loaded.first < n; });
  if (at != chunks_.end() && at->first == number) return;
  chunks_.emplace(at, number, c_.read(key_, found.where, found.size));
}

// What the chunk held before; empty if it was absent or is not loaded.
std::string_view StringEdit::old_payload(uint64_t chunk) const {
  if (!entry_) return {};
  if (packed_loaded_) {
    const uint64_t begin = chunk * kChunkBytes;
    return begin < packed_.size() ? packed_.substr(begin, kChunkBytes) : std::string_view();
  }
  auto at = std::lower_bound(chunks_.begin(), chunks_.end(), chunk,
                             [](const auto& loaded, uint64_t n) { return loaded.first < n; });
  return at != chunks_.end() && at->first == chunk ? at->second : std::string_view();
}

void StringEdit::copy(uint64_t begin, std::span<char> out) const {
  while (!out.empty()) {
    const std::string_view payload = old_payload(begin / kChunkBytes);
    const uint64_t in_chunk = begin % kChunkBytes;
    const size_t size = std::min<uint64_t>(out.size(), kChunkBytes - in_chunk);
    const std::string_view old =
        in_chunk < payload.size() ? payload.substr(in_chunk, size) : std::string_view();
    std::copy(old.begin(), old.end(), out.begin());
    std::fill(out.begin() + static_cast<ptrdiff_t>(old.size()),
              out.begin() + static_cast<ptrdiff_t>(size), '\0');
    out = out.subspan(size);
    begin += size;
  }
}

namespace {

// Appends to `pieces` what the bytes [begin, end) are with the patches over them, as far as `old`
// (which starts at `begin`) or a patch reaches. Gaps are zeros.
void patched_pieces(std::string_view old, uint64_t begin, uint64_t end,
                    std::span<const StringEdit::Patch> patches,
                    std::vector<std::string_view>& pieces) {
  uint64_t at = begin;
  const auto keep = [&](uint64_t to) {
    const uint64_t old_end = begin + old.size();
    if (at < std::min(to, old_end)) {
      pieces.push_back(old.substr(at - begin, to - at));
      at += pieces.back().size();
    }
    if (at < to) pieces.push_back(zeros(to - at));
    at = to;
  };
  for (const StringEdit::Patch& patch : patches) {
    const uint64_t from = std::max(patch.offset, begin);
    const uint64_t to = std::min(patch.end(), end);
    if (from >= to) continue;
    keep(from);
    pieces.push_back(patch.bytes.substr(from - patch.offset, to - from));
    at = to;
  }
  if (at < begin + old.size()) keep(begin + old.size());
}

}  // namespace

// Bytes to reserve: what the touched chunks can take, and the whole old value if it is split now.
uint64_t StringEdit::bound(std::span<const Patch> patches) const {
  uint64_t chunks = 1;
  uint64_t counted = 0;  // the chunks below; many patches may lie in one
  for (const Patch& patch : patches) {
    const uint64_t end = (patch.end() - 1) / kChunkBytes + 1;
    chunks += end - std::max(counted, patch.offset / kChunkBytes);
    counted = end;
  }
  return put_string_bound(key_, packed_.size()) + chunks * (kChunkBytes + kRecordOverhead);
}

bool StringEdit::apply(std::span<const Patch> patches) {
  assert(!patches.empty());
  if (!c_.reserve(key_, bound(patches))) return false;
  const bool split = entry_ && entry_->collection != 0;
  if (!split && std::max(length_, patches.back().end()) <= kPackedEditBytes) {
    std::vector<std::string_view> pieces;
    patched_pieces(packed_, 0, std::numeric_limits<uint64_t>::max(), patches, pieces);
    c_.put(key_, TypeTag::of(Type::kString, Encoding::kPlain), entry_ ? entry_->expiry_ms : 0,
           std::span<const std::string_view>(pieces));
    return true;
  }
  engine::Shard& shard = c_.shard_for_write(key_);
  if (!split) split_packed(shard);
  apply_to_chunks(shard, patches);
  c_.modified(key_);
  return true;
}

// Chunks that are patched next are written twice, once in the life of a string.
void StringEdit::split_packed(engine::Shard& shard) {
  entry_ = c_.put_split(key_, kSplitTag, entry_ ? entry_->expiry_ms : 0, kHeader);
  put_chunks(shard, *entry_, packed_);
}

void StringEdit::apply_to_chunks(engine::Shard& shard, std::span<const Patch> patches) {
  std::vector<std::string_view> pieces;
  uint64_t chunk = 0;
  while (!patches.empty()) {
    chunk = std::max(chunk, patches.front().offset / kChunkBytes);
    const uint64_t begin = chunk * kChunkBytes;
    pieces.clear();
    const uint64_t end = begin + kChunkBytes;
    size_t touching = 0;
    while (touching < patches.size() && patches[touching].offset < end) ++touching;
    patched_pieces(old_payload(chunk), begin, end, patches.first(touching), pieces);
    put_chunk(shard, *entry_, static_cast<uint32_t>(chunk), pieces);
    while (!patches.empty() && patches.front().end() <= end) patches = patches.subspan(1);
    ++chunk;
  }
}

bool StringEdit::make_raw() {
  if (!entry_ || entry_->collection != 0 || entry_->value_size > kMaxEmbstr) return true;
  const TypeTag raw = TypeTag::of(Type::kString, Encoding::kPlain);
  if (entry_->type == raw.byte) return true;
  assert(packed_loaded_);
  if (!c_.reserve(key_, put_string_bound(key_, packed_.size()))) return false;
  c_.shard_for_write(key_).put(key_.db, key_.name, key_.hash, raw.byte, entry_->expiry_ms,
                               {&packed_, 1}, entry_->access);
  return true;
}

}  // namespace respcask::server
