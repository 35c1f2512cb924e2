// A library to start a server with (LD_PRELOAD): one in four of its reads and writes, of files and
// of sockets, is interrupted (EINTR) before it does anything or does a part of what was asked.
// Syncs are left alone: Linux does not interrupt them, and nothing may repeat one.
//
// RESPCASK_SEED: which calls. Each thread draws for itself, so that with one loop a run repeats.
// No read or write of 8 bytes or more is cut to less: an eventfd takes or gives 8 at once, to those
// too who ask it for more, as libuv does.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <random>

namespace {

constexpr size_t kLeast = 8;

std::minstd_rand& random_numbers() {
  static std::atomic<uint32_t> threads{0};
  thread_local std::minstd_rand numbers = [] {
    const char* const seed = std::getenv("RESPCASK_SEED");
    return std::minstd_rand(static_cast<uint32_t>(seed == nullptr ? 0 : std::atoi(seed)) +
                            threads.fetch_add(1) * 7919 + 1);
  }();
  return numbers;
}

bool interrupted() {
  if (random_numbers()() % 8 != 0) return false;
  errno = EINTR;
  return true;
}

size_t part_of(size_t size) {
  if (size <= kLeast || random_numbers()() % 8 != 0) return size;
  return kLeast + random_numbers()() % (size - kLeast);
}

// The first bytes of what iovecs say.
class Part {
 public:
  Part(const iovec* pieces, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) size += pieces[i].iov_len;
    size_t left = part_of(size);
    while (count_ < std::min(count, pieces_.size()) && left > 0) {
      pieces_[count_] = pieces[count_];
      pieces_[count_].iov_len = std::min(left, pieces_[count_].iov_len);
      left -= pieces_[count_++].iov_len;
    }
  }
  iovec* pieces() { return pieces_.data(); }
  size_t count() const { return count_; }
  int int_count() const { return static_cast<int>(count_); }

 private:
  std::array<iovec, 1024> pieces_;
  size_t count_ = 0;
};

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t read(int fd, void* out, size_t size) {
  static auto* const call = real<ssize_t(int, void*, size_t)>("read");
  return interrupted() ? -1 : call(fd, out, part_of(size));
}

ssize_t write(int fd, const void* bytes, size_t size) {
  static auto* const call = real<ssize_t(int, const void*, size_t)>("write");
  return interrupted() ? -1 : call(fd, bytes, part_of(size));
}

ssize_t pread64(int fd, void* out, size_t size, off64_t offset) {
  static auto* const call = real<ssize_t(int, void*, size_t, off64_t)>("pread64");
  return interrupted() ? -1 : call(fd, out, part_of(size), offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  static auto* const call = real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return interrupted() ? -1 : call(fd, bytes, part_of(size), offset);
}

ssize_t writev(int fd, const iovec* pieces, int count) {
  static auto* const call = real<ssize_t(int, const iovec*, int)>("writev");
  if (interrupted()) return -1;
  Part part(pieces, static_cast<size_t>(count));
  return call(fd, part.pieces(), part.int_count());
}

ssize_t pwritev64(int fd, const iovec* pieces, int count, off64_t offset) {
  static auto* const call = real<ssize_t(int, const iovec*, int, off64_t)>("pwritev64");
  if (interrupted()) return -1;
  Part part(pieces, static_cast<size_t>(count));
  return call(fd, part.pieces(), part.int_count(), offset);
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  static auto* const call = real<ssize_t(int, const void*, size_t, int)>("send");
  return interrupted() ? -1 : call(fd, bytes, part_of(size), flags);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* const call = real<ssize_t(int, const msghdr*, int)>("sendmsg");
  if (interrupted()) return -1;
  Part part(message->msg_iov, message->msg_iovlen);
  msghdr less = *message;
  less.msg_iov = part.pieces();
  less.msg_iovlen = part.count();
  return call(fd, &less, flags);
}

int open64(const char* path, int flags, ...) {
  static auto* const call = real<int(const char*, int, ...)>("open64");
  // The mode is read whether it was given or not, as the system call does.
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return interrupted() ? -1 : call(path, flags, mode);
}

int ftruncate64(int fd, off64_t size) {
  static auto* const call = real<int(int, off64_t)>("ftruncate64");
  return interrupted() ? -1 : call(fd, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  static auto* const call = real<int(int, int, off64_t, off64_t)>("fallocate64");
  return interrupted() ? -1 : call(fd, mode, offset, size);
}

}  // extern "C"
