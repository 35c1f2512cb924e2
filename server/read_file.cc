#include "server/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace respcask::server {

std::error_code read_file(const std::string& path, std::string& text) {
  text.clear();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {errno, std::generic_category()};
  std::array<char, 16384> part;
  std::error_code error;
  for (;;) {
    const ssize_t size = ::read(fd, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) error = {errno, std::generic_category()};
    if (size <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(size));
  }
  ::close(fd);
  return error;
}

}  // namespace respcask::server
