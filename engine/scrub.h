// Scrub: reads a sealed segment again and finds what does not match its checksums, before anybody
// asks for it.
//
// It reads into a buffer of its own, so that a sector that cannot be read is an error and no
// signal. Pages that were not in memory when it began are dropped again once they have been read;
// those that were stay, so no hot page makes room for a cold one. What is in memory is checked
// there: what the device holds of it has its turn when the system has dropped it.
//
// Runs on a background thread, without any lock. The segment is settled (segment.h) and held by the
// caller. Memory: some MiB; as much as a name is long.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"
#include "engine/segment.h"

namespace respcask::engine {

class Scrub {
 public:
  struct Hooks {
    // Told of each damaged place, in one sentence that names file and offset.
    std::function<void(const std::string& what)> damaged;
    // Called with each number of bytes read, to limit the rate; may sleep. False: give up.
    std::function<bool(uint64_t bytes)> pace;
  };
  struct Report {
    uint64_t damaged = 0;  // places
    bool given_up = false;
  };

  Scrub(Segment& segment, Hooks hooks) : segment_(segment), hooks_(std::move(hooks)) {}
  Report run();

 private:
  // [offset, offset + size) of the segment, less only where it ends; valid until the next call.
  // Nothing: given up, or unreadable.
  std::optional<std::string_view> view(uint64_t offset, uint64_t size);
  bool read_more();
  // Where the batch at `offset` ends, with the places of values that do not match their checksums;
  // nothing if no valid batch is there.
  std::optional<uint64_t> check_batch(uint64_t offset, std::vector<uint64_t>& bad_values);
  std::optional<uint64_t> check_record(uint64_t at, uint64_t end, uint32_t& checksum,
                                       std::vector<uint64_t>& bad_values);
  // The offset of the next valid batch from `from` on, or the end.
  uint64_t find_batch(uint64_t from);
  void report(std::string_view what);

  Segment& segment_;
  const Hooks hooks_;
  std::vector<uint8_t> resident_;  // a byte for each page, as it was at the beginning
  uint64_t at_ = 0;                // offset in the segment of
  std::string window_;             // the bytes that were read last
  uint64_t unreadable_end_ = 0;    // behind what could not be read
  Report report_;
};

}  // namespace respcask::engine
