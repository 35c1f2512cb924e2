#include "engine/segment_name.h"

#include <charconv>

#include <fmt/format.h>

namespace respcask::engine {

std::string shard_directory(std::string_view store_directory, uint32_t shard) {
  return fmt::format("{}/shard-{:02}", store_directory, shard);
}

std::string segment_name(const SegmentFile& file) {
  if (file.generation == 0) return fmt::format("{:08}.seg", file.first_id);
  return fmt::format("{:08}.{}.seg", file.first_id, file.generation);
}

std::optional<SegmentFile> parse_segment_name(std::string_view name) {
  SegmentFile file;
  const char* const end = name.data() + name.size();
  const auto id = std::from_chars(name.data(), end, file.first_id);
  if (id.ec == std::errc() && end - id.ptr > 1) {
    std::from_chars(id.ptr + 1, end, file.generation);  // "seg": it stays 0
  }
  if (name != segment_name(file)) return std::nullopt;
  return file;
}

std::string segment_of_hint(std::string_view name) {
  return std::string(name.substr(0, name.rfind('.'))) + ".seg";
}

}  // namespace respcask::engine
