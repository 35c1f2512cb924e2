// Strings: how they are kept, read, replaced and edited in place.
//
// A string is packed (the root's value is its bytes) or split into chunks (string_chunks.h):
//
//   set as a whole     packed up to string-chunk-threshold bytes, else split
//   edited in place    packed while it is no longer than kPackedEditBytes afterwards, else split;
//                      what is split stays so until it is replaced
//
// So a small or once-written value costs a keydir entry, and a change of a large one writes a
// chunk. Absent chunks read as zeros, and a chunk of zeros is not written when a string is set as a
// whole.
//
// Nothing here owns memory beyond a call, but for the scratch strings that callers pass. Views are
// valid until the handler returns. For handlers, on their thread: the keys' shards are locked, and
// the rule of Context holds: whoever reads checks ready() before he changes anything.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/function_ref.h"
#include "engine/keydir_entry.h"
#include "server/context.h"
#include "server/types/type.h"

namespace respcask::server {

class StringChunks;

// The longest string that an edit in place leaves packed. Twice the size of a chunk: about where
// rewriting the value starts to cost more than a chunk and its index.
inline constexpr uint64_t kPackedEditBytes = 8192;

// Bytes of the string; nothing is read.
uint64_t string_length(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

// Whether all is going to be looked at.
enum class Extent : uint8_t { kAll, kMayStop };
// Calls `visit` with the bytes [begin, end) in order, in pieces that are not empty; end is at most
// the length. It stops when `visit` returns false. Once a piece is not ready, nothing more is
// visited and the rest is requested, so that it is fetched together; with kMayStop only as much
// again as has been visited, and some hundred chunks.
void visit_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, uint64_t begin,
                  uint64_t end, Extent extent, engine::FunctionRef<bool(std::string_view)> visit);

// The whole string in one piece. `scratch` holds it if it is split.
std::string_view read_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                             std::string& scratch);

// Replies with the bytes [begin, end), or the whole string, as a bulk.
void reply_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, uint64_t begin,
                  uint64_t end);
void reply_string(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

// The word of OBJECT ENCODING: "int", "embstr", "raw". Reads short values only.
std::string_view string_encoding(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

// True, if a string of `length` and `more` bytes may be; otherwise the error is replied.
bool check_string_length(Context& c, uint64_t length, uint64_t more);

// Makes `value` what the key holds, whatever it held. The caller has reserved put_string_bound()
// bytes; what dispatch reserves for an argument suffices.
void put_string(Context& c, const KeyRef& key, Encoding encoding, int64_t expiry_ms,
                std::string_view value);

// Bytes to reserve for put_string().
uint64_t put_string_bound(const KeyRef& key, uint64_t length);

// Copies a split string with its encoding to another key, of any shard that is locked. False, with
// nothing changed, if it was not ready or there was no room: return.
bool copy_string(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                 int64_t expiry_ms);

// An edit in place. Usage: load_*() for all that is needed, c.ready(), copy(), apply(). A key that
// is not there is an empty string. The expiry stays.
class StringEdit {
 public:
  struct Patch {
    uint64_t offset = 0;
    std::string_view bytes;
    uint64_t end() const { return offset + bytes.size(); }
  };

  StringEdit(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry);

  // Bytes before the edit.
  uint64_t length() const { return length_; }

  // Requests the bytes [begin, end), not empty, to be copied or patched ...
  void load_to_copy(uint64_t begin, uint64_t end);
  // ... or what is left of the old bytes beside a patch there.
  void load_to_patch(uint64_t begin, uint64_t end);

  // The bytes from `begin` on that load_to_copy() has requested, zeros past the end.
  void copy(uint64_t begin, std::span<char> out) const;

  // Writes the patches, which are sorted, disjoint, not empty and were loaded, and fills any gap
  // before them with zeros. False, with nothing changed and the error replied, if there is no room.
  bool apply(std::span<const Patch> patches);

  // Redis turns a string to the encoding "raw" before it looks at what is to be edited; so does
  // this for an edit that changes nothing. Nobody is told: the value stays. Something was loaded.
  // False as for apply().
  bool make_raw();

 private:
  void load_chunk(uint64_t chunk);
  std::string_view old_payload(uint64_t chunk) const;
  uint64_t bound(std::span<const Patch> patches) const;
  void split_packed(engine::Shard& shard);
  void apply_to_chunks(engine::Shard& shard, std::span<const Patch> patches);

  Context& c_;
  const KeyRef& key_;
  std::optional<engine::KeydirEntry> entry_;
  uint64_t length_ = 0;
  bool packed_loaded_ = false;
  std::string_view packed_;                                    // the old value, where it is packed
  std::vector<std::pair<uint32_t, std::string_view>> chunks_;  // loaded payloads, by number
};

}  // namespace respcask::server
