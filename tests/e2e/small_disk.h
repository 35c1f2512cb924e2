// SmallDisk: a file system of a few megabytes, for tests of what happens when it is full.
//
// It is a tmpfs, mounted where it is told at construction and taken away with the object, whatever
// is still open in it. Mounting takes root: mounted() is false where it was refused, and a test
// then says that it tested nothing. One thread at a time.
#pragma once

#include <cstddef>
#include <string>

namespace respcask::e2e {

class SmallDisk {
 public:
  // `path`: a directory, made if it is not there.
  SmallDisk(std::string path, size_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }
  void resize(size_t bytes);
  // Leaves no room at all, and gives it back.
  void fill();
  void empty();

 private:
  bool mount(size_t bytes, unsigned long flags);

  const std::string path_;
  bool mounted_ = false;
};

}  // namespace respcask::e2e
