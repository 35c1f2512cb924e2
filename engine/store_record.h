// StoreRecord: what DIR/STORE says of a store, the file without which nobody knows what its
// segments are of.
//
// The record is written whole or not at all, and checksummed. It changes once at most: when a
// backup is first opened for writing it gets an instance, which tells the store from the one that
// the backup is of. Where it is lost, the headers of the segments say the same, but for the
// instance. Plain data and functions; any thread. store_record.cc has the format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace respcask::engine {

class FileSystem;

// Which store it is. Copies of one have its id; each that was begun from a backup has an instance
// of its own, and the others 0.
struct StoreIdentity {
  uint64_t id = 0;
  uint64_t instance = 0;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

struct StoreRecord {
  uint32_t shards = 0;
  StoreIdentity identity;
  int64_t created_ms = 0;  // Unix time
};

std::string encode_store_record(const StoreRecord& record);

// Reads DIR/STORE. kFormat: it is another version's. kDamaged: it is no record, or not as it was
// written. Other errors: it is not there or cannot be read.
Result<StoreRecord> read_store_record(FileSystem& files, const std::string& dir);

// Writes DIR/STORE, in place of what is there, durably.
Result<void> write_store_record(FileSystem& files, const std::string& dir,
                                const StoreRecord& record);

// What the segments in `dir` and the names of their directories say; of shards above the highest of
// those it cannot know. kFormat: there is no segment that can be read.
Result<StoreRecord> derive_store_record(FileSystem& files, const std::string& dir);

// The text of ` name=` in a line of such fields, or nothing.
std::optional<std::string_view> text_field(std::string_view line, std::string_view name);
// The same for a number, which must be all of the text.
std::optional<uint64_t> number_field(std::string_view line, std::string_view name, int base);

// 64 random bits that are not 0. kIo: the system has none to give.
Result<uint64_t> draw_identity();

}  // namespace respcask::engine
