// The bytes of a file on a simulated disk, which know what a power cut would leave of them.
// SimulatedTree (simulated_tree.h) gives files names, FaultyFileSystem (faulty_file.h) puts the
// engine's interface before both.
//
// What is written is visible at once and durable after a sync. Until then a power cut may leave any
// mixture that a PowerLoss mode names, within what journalling file systems promise: a sync that
// returned holds; changes to one name, and the sizes a file goes through, happen in order, each
// whole; a cut file's old bytes do not come back when it grows again. Nothing else is in order:
// sectors of one file, one file and another, names and contents.
//
// A failed sync loses what it was to write as Linux does: it stays visible, later syncs succeed,
// and it is not on the disk unless written again.
//
// Threads: none of this locks; FaultyFileSystem does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::engine {

// What becomes of the unsynced at a power cut.
enum class PowerLoss {
  kDrop,    // all of it is gone
  kKeep,    // all of it is there, except what a failed sync lost
  kPrefix,  // of each file's writes the first ones are there, the last of them up to some byte;
            // of the changes to names the first ones
  kTearSectors,  // of each 512 bytes any state between synced and newest; any changes to names
  kTearPages,    // the same by 4096 bytes
};
inline constexpr PowerLoss kPowerLosses[] = {PowerLoss::kDrop, PowerLoss::kKeep, PowerLoss::kPrefix,
                                             PowerLoss::kTearSectors, PowerLoss::kTearPages};

using Random = std::mt19937_64;

// A number from 0 to `limit` - 1; not by std::uniform_int_distribution, which differs by library.
inline std::uint64_t below(Random& random, std::uint64_t limit) {
  return random() % limit;
}

// The bytes of one file, in a memfd: a mapping of it stays valid and coherent while it grows.
class SimulatedFile {
 public:
  SimulatedFile();
  ~SimulatedFile();
  SimulatedFile(const SimulatedFile& other);  // with what is unsynced in it
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  std::uint64_t size() const { return size_; }
  // Bytes of disk it takes: up to its end or its reservation's, holes included.
  std::uint64_t allocated() const { return allocation(std::max(size_, reserved_end_)); }
  static std::uint64_t allocation(std::uint64_t end);  // `end` rounded up to a block

  void write(std::uint64_t offset, std::string_view bytes);
  std::size_t read(std::uint64_t offset, std::span<char> out);
  std::size_t peek(std::uint64_t offset, std::span<char> out) const;  // without warming it up
  void truncate(std::uint64_t size);
  void reserve(std::uint64_t end) { reserved_end_ = std::max(reserved_end_, end); }
  void sync();
  void lose_unsynced();  // what a failed sync does
  void settle();         // makes it all durable, what was lost too
  void* map(std::size_t length) const;

  // Bad sectors: the pages that hold any of these bytes cannot be read. Who touches one of them
  // through a mapping that is made from now on dies of it.
  void make_unreadable(std::uint64_t offset, std::uint64_t length);
  bool readable(std::uint64_t offset, std::uint64_t length) const;

  // A played page cache: cold is what was dropped and since then neither read nor written.
  void drop_cache(std::uint64_t offset, std::uint64_t length);
  void resident(std::uint64_t offset, std::span<std::uint8_t> pages) const;

  // The file after a power cut, all of it synced.
  std::unique_ptr<SimulatedFile> survivor(PowerLoss mode, Random& random) const;

 private:
  struct Operation {
    bool is_truncation;
    std::uint64_t offset;  // of a truncation: the new size
    std::string bytes;
    std::uint64_t size_after;
  };
  struct DirtySector {
    std::string synced;  // its bytes on the disk; empty: zeros
    std::size_t since;   // the operation that made it dirty: earlier ones are in `synced`
    bool lost = false;
  };
  struct Cut;  // how much of the operations survives

  void make_dirty(std::uint64_t begin, std::uint64_t end);
  void touch(std::uint64_t begin, std::uint64_t end);
  std::map<std::uint64_t, std::vector<std::size_t>> operations_by_unit(std::uint64_t unit) const;
  Cut choose_cut(PowerLoss mode, Random& random) const;
  std::size_t choose_version(const Cut& cut, const std::vector<std::size_t>& operations, bool lost,
                             Random& random) const;
  std::string sector_after(std::uint64_t sector, const DirtySector& dirty,
                           const std::vector<std::size_t>& operations, std::size_t count) const;
  void write_partial(const Cut& cut, SimulatedFile& result) const;
  void copy_bytes_from(const SimulatedFile& other, std::uint64_t length);

  int fd_;
  std::uint64_t size_ = 0;
  std::uint64_t synced_size_ = 0;
  std::uint64_t reserved_end_ = 0;
  std::uint64_t synced_reserved_end_ = 0;
  // Since the file was last wholly synced. Of the first `settled_` the sizes are synced already,
  // and they are kept for the sectors that a failed sync lost.
  std::vector<Operation> operations_;
  std::size_t settled_ = 0;
  std::map<std::uint64_t, DirtySector> dirty_;  // by sector number
  std::set<std::uint64_t> cold_;                // page numbers
  std::set<std::uint64_t> unreadable_;          // page numbers
};

}  // namespace respcask::engine
