#include "server/replace_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace respcask::server {
namespace {

engine::Error io_error(std::string_view what, const std::string& path) {
  return {engine::ErrorCode::kIo, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

// Closes at the end of the scope, so that no path out of a function forgets to.
struct Descriptor {
  explicit Descriptor(int value) : fd(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

engine::Result<void> write_synced(const std::string& path, std::string_view text, mode_t mode) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.fd < 0) return io_error("cannot create", path);
  while (!text.empty()) {
    const ssize_t written = ::write(file.fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("cannot write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fchmod(file.fd, mode) != 0) return io_error("cannot set the mode of", path);
  if (::fsync(file.fd) != 0) return io_error("cannot sync", path);
  return {};
}

}  // namespace

engine::Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  ::unlink(temporary.c_str());  // of an earlier process with this id that crashed
  auto written = write_synced(temporary, text, mode);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const engine::Error error = io_error("cannot replace", path);
    ::unlink(temporary.c_str());
    return error;
  }
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const Descriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.fd < 0 || ::fsync(parent.fd) != 0) return io_error("cannot sync", directory);
  return {};
}

}  // namespace respcask::server
