#include "tests/e2e/small_disk.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace respcask::e2e {

SmallDisk::SmallDisk(std::string path, size_t bytes) : path_(std::move(path)) {
  std::filesystem::create_directories(path_);
  mounted_ = ::geteuid() == 0 && mount(bytes, 0);
  if (!mounted_) MESSAGE("a small file system cannot be mounted here, so this is not tested");
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
}

bool SmallDisk::mount(size_t bytes, unsigned long flags) {
  const std::string size = "size=" + std::to_string(bytes);
  return ::mount("tmpfs", path_.c_str(), "tmpfs", flags, size.c_str()) == 0;
}

void SmallDisk::resize(size_t bytes) {
  REQUIRE(mount(bytes, MS_REMOUNT));
}

void SmallDisk::fill() {
  const int fd = ::open((path_ + "/filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  const std::string block(4096, 'f');
  while (::write(fd, block.data(), block.size()) > 0) {
  }
  const int error = errno;
  ::close(fd);
  REQUIRE(error == ENOSPC);
}

void SmallDisk::empty() {
  REQUIRE(std::filesystem::remove(path_ + "/filler"));
}

}  // namespace respcask::e2e
