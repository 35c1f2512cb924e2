// What the commands that walk through keys or elements have in common: slices of the keys of a
// shard (KEYS, SCAN, CLUSTER GETKEYSINSLOT), and the cursor and the options of SCAN, HSCAN, SSCAN
// and ZSCAN.
//
// Plain values; the pattern is a view of the command's arguments. For handlers, on their thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shard.h"
#include "server/context.h"
#include "server/expiry.h"

namespace respcask::server {

struct ScanOptions {
  uint64_t count = 10;                    // elements to look at, roughly; at least 1
  std::optional<std::string_view> match;  // a glob pattern; none: everything
  std::optional<std::string_view> type;   // SCAN only: a type's name, in any case

  bool matches(std::string_view name) const;
};

// The cursor at argument `i`; nothing, and the error replied, if it is none.
std::optional<uint64_t> scan_cursor_arg(Context& c, size_t i);

// The options from argument `first` on; nothing, and the error replied, if they make no sense.
enum class ScanOf : uint8_t { kKeys, kElements };
std::optional<ScanOptions> parse_scan_options(Context& c, size_t first, ScanOf what);

// Replies with the first half of what a scan answers: a pair of the cursor and, to follow, the
// array of what was found. The cursor goes as text.
void reply_scan_cursor(Context& c, uint64_t cursor);

// Some keys of one database, copied while their shard was locked.
class Slice {
 public:
  // Visits keys of a shard from the cursor on, until `limit` were looked at or enough time has
  // passed, and moves the cursor. Returns how many were looked at; those that have expired are left
  // out, which `due` is given if it is not null, and of the others those that `wanted` refuses. In
  // a slice, and between one and those that follow it by its cursor, a key that stays is there
  // once.
  template <class Wanted>
  uint64_t read(Context& c, engine::Shard& shard, uint32_t db, uint64_t limit, uint64_t& position,
                Wanted wanted, std::vector<std::string>* due = nullptr) {
    names_.clear();
    ends_.clear();
    const engine::Keydir& keydir = shard.keydir(db);
    uint64_t looked_at = 0;
    int pages = 0;
    const uint64_t begin = position;
    // Since the last slice the page in which it ended may have been joined to the one before it,
    // which was visited.
    bool first_page = begin != 0;
    do {
      position =
          keydir.scan(position, [&](std::string_view name, const engine::KeydirEntry& entry) {
            ++looked_at;
            if (first_page && shard.hash(name) < begin) return;
            if (is_due(entry, c.now_ms())) {
              if (due != nullptr) due->emplace_back(name);
              return;
            }
            if (!wanted(entry)) return;
            names_.append(name);
            ends_.push_back(names_.size());
          });
      first_page = false;
      ++pages;
    } while (position != 0 && looked_at < limit && looked_at < kMaxKeys && pages < kMaxPages &&
             names_.size() < kMaxBytes);
    return looked_at;
  }

  template <class Visit>
  void for_each(Visit visit) const {
    size_t begin = 0;
    for (const size_t end : ends_) {
      visit(std::string_view(names_).substr(begin, end - begin));
      begin = end;
    }
  }

 private:
  static constexpr uint64_t kMaxKeys = 1024;
  static constexpr int kMaxPages = 1024;  // where reserve() has left many of them empty
  static constexpr size_t kMaxBytes = 64 * 1024;

  std::string names_;  // one after the other
  std::vector<size_t> ends_;
};

}  // namespace respcask::server
