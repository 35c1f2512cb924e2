// MergeReserve: disk space that is kept back, so that a full disk can still be merged.
//
// A merge gives space back only when its output is whole, so it needs some first. DIR/RESERVE is an
// empty file with as many bytes reserved behind its end as one run may have to copy. Where a merge
// meets a full disk that is given up for it, and taken back from what the merge has won; meanwhile
// nobody else may grow (Shard::bar_growth). Owned by its store, and used by its merge thread, or
// before there is one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/file.h"

namespace respcask::engine {

class MergeReserve {
 public:
  MergeReserve(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  // Sees to it that at least so many bytes are reserved. False: the disk has no room for them; then
  // there is what there was. Where nothing can be reserved for another reason, it does without.
  bool keep(uint64_t bytes);
  // Gives all of it back to the file system.
  void release();
  uint64_t bytes() const { return bytes_; }

 private:
  FileSystem& files_;
  const std::string path_;
  std::unique_ptr<File> file_;
  uint64_t bytes_ = 0;
};

}  // namespace respcask::engine
