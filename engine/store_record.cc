// The store's record, DIR/STORE, is a line of text of at most 4096 bytes, synced before any shard:
//
//   field            meaning
//   respcask-store   what it is
//   VERSION          kFormatVersion, decimal
//   shards=N         number of shards
//   id=HEX           64 random bits; every segment's header repeats them
//   created=MS       Unix time in ms; 0: not known
//   instance=HEX     64 random bits, if it was begun from a backup; not there otherwise
//   crc=HEX          CRC32C of all before " crc="
//
// separated by single spaces, with a newline at the end.

#include "engine/store_record.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "engine/crc32c.h"
#include "engine/file.h"
#include "engine/format.h"
#include "engine/shard_set.h"

namespace respcask::engine {
namespace {

constexpr std::string_view kStart = "respcask-store ";
constexpr std::string_view kShardStart = "shard-";

std::string path_in(const std::string& dir) {
  return dir + "/STORE";
}

// The header of a segment's file, if it has a valid one.
std::optional<SegmentHeader> header_of(FileSystem& files, const std::string& path) {
  auto file = files.open_read_only(path);
  if (!file) return std::nullopt;
  std::string head(kSegmentHeaderSize, '\0');
  auto got = (*file)->read_at(0, head);
  if (!got) return std::nullopt;
  return decode_segment_header(std::string_view(head).substr(0, *got));
}

}  // namespace

std::optional<std::string_view> text_field(std::string_view line, std::string_view name) {
  const std::string key = fmt::format(" {}=", name);
  const size_t at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(at + key.size());
  return rest.substr(0, rest.find_first_of(" \n"));
}

std::optional<uint64_t> number_field(std::string_view line, std::string_view name, int base) {
  const auto text = text_field(line, name);
  if (!text) return std::nullopt;
  uint64_t value = 0;
  const auto [end, failure] =
      std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (failure != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

Result<uint64_t> draw_identity() {
  uint64_t drawn = 0;
  while (drawn == 0) {
    if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn) {
      return Error{ErrorCode::kIo, "the system has no random bytes to give"};
    }
  }
  return drawn;
}

std::string encode_store_record(const StoreRecord& record) {
  std::string text = fmt::format("{}{} shards={} id={:016x} created={}", kStart, kFormatVersion,
                                 record.shards, record.identity.id, record.created_ms);
  if (record.identity.instance != 0) {
    text += fmt::format(" instance={:016x}", record.identity.instance);
  }
  return text + fmt::format(" crc={:08x}\n", crc32c(text));
}

Result<StoreRecord> read_store_record(FileSystem& files, const std::string& dir) {
  const std::string path = path_in(dir);
  auto file = files.open_read_only(path);
  if (!file) return file.error();
  std::string text(4096, '\0');
  auto got = (*file)->read_at(0, text);
  if (!got) return got.error();
  text.resize(*got);
  if (!text.starts_with(kStart)) {
    return Error{ErrorCode::kDamaged, fmt::format("{}: not the record of a store", path)};
  }
  const auto checksum = number_field(text, "crc", 16);
  if (checksum != crc32c(std::string_view(text).substr(0, text.find(" crc=")))) {
    return Error{ErrorCode::kDamaged, fmt::format("{}: the store's record is damaged", path)};
  }
  const std::string_view rest = std::string_view(text).substr(kStart.size());
  const std::string_view version = rest.substr(0, rest.find(' '));
  if (version != std::to_string(kFormatVersion)) {
    return Error{ErrorCode::kFormat,
                 fmt::format("{}: the store has format version {}, this program reads {}", path,
                             version, kFormatVersion)};
  }
  const auto shards = number_field(text, "shards", 10);
  const auto id = number_field(text, "id", 16);
  if (!shards || !id || *shards < 1 || *shards > kMaxShards) {
    return Error{ErrorCode::kDamaged, fmt::format("{}: the store's record is damaged", path)};
  }
  StoreRecord record;
  record.shards = static_cast<uint32_t>(*shards);
  record.identity = {*id, number_field(text, "instance", 16).value_or(0)};
  record.created_ms = static_cast<int64_t>(number_field(text, "created", 10).value_or(0));
  return record;
}

Result<void> write_store_record(FileSystem& files, const std::string& dir,
                                const StoreRecord& record) {
  const std::string path = path_in(dir);
  const std::string temporary = path + ".tmp";
  if (auto old = files.stat(temporary); old && *old) (void)files.unlink(temporary);
  auto file = files.create(temporary);
  if (!file) return file.error();
  if (auto written = (*file)->write_at(0, encode_store_record(record)); !written) return written;
  if (auto synced = (*file)->sync_all(); !synced) return synced;
  // After everything that it speaks of.
  if (auto synced = files.sync_directory(dir); !synced) return synced;
  if (auto renamed = files.rename(temporary, path); !renamed) return renamed;
  return files.sync_directory(dir);
}

Result<StoreRecord> derive_store_record(FileSystem& files, const std::string& dir) {
  auto names = files.list(dir);
  if (!names) return names.error();
  StoreRecord record;
  std::map<uint64_t, uint64_t> segments_of;  // by store id: a file may be another store's
  for (const std::string& name : *names) {
    uint32_t shard = 0;
    if (!name.starts_with(kShardStart)) continue;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kShardStart.size(), end, shard);
    if (parsed.ec != std::errc() || parsed.ptr != end || shard >= kMaxShards) continue;
    record.shards = std::max(record.shards, shard + 1);
    auto inside = files.list(dir + "/" + name);
    if (!inside) continue;
    for (const std::string& file : *inside) {
      if (!file.ends_with(".seg")) continue;
      const auto header = header_of(files, fmt::format("{}/{}/{}", dir, name, file));
      if (header && header->shard == shard) ++segments_of[header->store_id];
    }
  }
  const auto most =
      std::max_element(segments_of.begin(), segments_of.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == segments_of.end()) {
    return Error{ErrorCode::kFormat,
                 fmt::format("{}: no store is here, neither its file STORE nor a segment", dir)};
  }
  record.identity.id = most->first;
  return record;
}

}  // namespace respcask::engine
