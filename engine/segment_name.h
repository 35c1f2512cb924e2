// Segment names: what a segment's file is called.
//
// "00000017.seg" is the segment of id 17 as it was written, "00000017.2.seg" what a second merge
// made of a run that begins with it; a hint has the same name with ".hint" at its end. A file by
// any other name, a copy that somebody has made beside a segment, is none. They lie in a directory
// of their shard's. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace respcask::engine {

struct SegmentFile {
  uint64_t first_id = 0;
  uint32_t generation = 0;
};

// Where the segments of a shard lie in the store's directory.
std::string shard_directory(std::string_view store_directory, uint32_t shard);

std::string segment_name(const SegmentFile& file);
// Nothing if no segment is called so.
std::optional<SegmentFile> parse_segment_name(std::string_view name);
// The name of the segment that the hint `name` lies beside.
std::string segment_of_hint(std::string_view name);

}  // namespace respcask::engine
