// MergeReserve: disk space that is kept back, so that a full disk can still be merged.
//
// A merge gives space back only when its output is whole, so it needs some first. DIR/RESERVE is an
// empty file with as many bytes reserved behind its end as one run may have to copy, or as many as
// the disk has to spare. Where a merge meets a full disk they are given up for it, and taken back
// from what the merge has won; meanwhile nobody else gets space (Shard::bar). A start gives them up
// too, as it may need some, and takes them again; a stop leaves them, for the next start on a disk
// that has become full. Owned by its store, and used by its merge thread, or before there is one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/file.h"

namespace respcask::engine {

class MergeReserve {
 public:
  MergeReserve(FileSystem& files, const std::string& directory)
      : files_(files), directory_(directory), path_(directory + "/RESERVE") {}

  // Keeps `wanted` bytes; where that is more than half of what is free, a half of it, a quarter,
  // and so on down to some hundred KiB; but `least` of them even if they are all that is free
  // or more than is said to be, or what there is. What there is stays where no more is to be had,
  // and goes where it is many times too much. False: there is nothing, for want of space.
  bool keep(uint64_t wanted, uint64_t least);
  // What an earlier process has left, in bytes.
  uint64_t left_behind() const;
  // Gives all of it back to the file system.
  void release();
  uint64_t bytes() const { return bytes_; }
  // False: the file system cannot reserve space, and so keeps nothing.
  bool supported() const { return supported_; }

 private:
  Result<void> open(bool create);

  FileSystem& files_;
  const std::string directory_;
  const std::string path_;
  std::unique_ptr<File> file_;
  uint64_t bytes_ = 0;
  bool supported_ = true;
};

}  // namespace respcask::engine
