#include "tests/power/recorded_disk.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace respcask::power {
namespace {

constexpr uint32_t kMaxWrite = 128 << 10;
constexpr uint64_t kBlock = 4096;

}  // namespace

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

RecordedDisk::RecordedDisk(std::string* content, std::string path,
                           std::chrono::microseconds flush_time)
    : path_(std::move(path)), content_(content), flush_time_(flush_time) {
  fd_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  // A mount point that is a file gets a file for a root.
  const int point = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string options = "fd=" + std::to_string(fd_) + ",rootmode=100600,user_id=0,group_id=0";
  mounted_ =
      fd_ >= 0 && point >= 0 && ::mount("respcask", path_.c_str(), "fuse", 0, options.c_str()) == 0;
  if (!mounted_) fault_ = std::string("/dev/fuse: ") + std::strerror(errno);
  if (point >= 0) ::close(point);
  if (mounted_) thread_ = std::thread([this] { serve(); });
}

RecordedDisk::~RecordedDisk() {
  if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  if (thread_.joinable()) thread_.join();
  if (fd_ >= 0) ::close(fd_);
}

void RecordedDisk::serve() {
  std::string request(kMaxWrite + 4096, '\0');
  for (;;) {
    const ssize_t size = ::read(fd_, request.data(), request.size());
    if (size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN)) continue;
    if (size <= 0) return;  // unmounted
    answer(request.data(), static_cast<size_t>(size));
  }
}

void RecordedDisk::reply(uint64_t unique, int error, const void* bytes, size_t size) {
  fuse_out_header header{static_cast<uint32_t>(sizeof header + size), -error, unique};
  const iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(bytes), size}};
  // A request that was interrupted meanwhile wants no answer: nothing to be done.
  if (::writev(fd_, parts, size == 0 ? 1 : 2) < 0) return;
}

void RecordedDisk::answer(const char* request, size_t size) {
  fuse_in_header in;
  std::memcpy(&in, request, sizeof in);
  const char* const body = request + sizeof in;
  const auto read_as = [&](auto value) {
    std::memcpy(&value, body, std::min(sizeof value, size - sizeof in));
    return value;
  };
  switch (in.opcode) {
    case FUSE_INIT: {
      const auto asked = read_as(fuse_init_in{});
      fuse_init_out out{};
      out.major = FUSE_KERNEL_VERSION;
      out.minor = std::min<uint32_t>(asked.minor, FUSE_KERNEL_MINOR_VERSION);
      out.max_readahead = asked.max_readahead;
      out.flags = asked.flags & FUSE_BIG_WRITES;
      out.max_write = kMaxWrite;
      return reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
      fuse_attr_out out{};
      out.attr_valid = 3600;
      out.attr.ino = 1;
      out.attr.size = content_->size();
      out.attr.blocks = content_->size() / 512;
      out.attr.mode = S_IFREG | 0600;
      out.attr.nlink = 1;
      out.attr.blksize = 4096;
      return reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_OPEN: {
      const fuse_open_out out{};
      return reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_READ: {
      const auto asked = read_as(fuse_read_in{});
      const uint64_t offset = std::min<uint64_t>(asked.offset, content_->size());
      const uint64_t length = std::min<uint64_t>(asked.size, content_->size() - offset);
      return reply(in.unique, 0, content_->data() + offset, length);
    }
    case FUSE_WRITE: {
      const auto asked = read_as(fuse_write_in{});
      if (asked.offset + asked.size > content_->size()) return reply(in.unique, EFBIG, nullptr, 0);
      Event event{now_ns(), false, asked.offset, {body + sizeof asked, asked.size}};
      content_->replace(asked.offset, asked.size, event.bytes);
      events_.push_back(std::move(event));
      const fuse_write_out out{asked.size, 0};
      return reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_FSYNC:
      if (flush_time_.count() > 0) std::this_thread::sleep_for(flush_time_);
      events_.push_back({now_ns(), true, 0, {}});
      return reply(in.unique, 0, nullptr, 0);
    case FUSE_FLUSH:
    case FUSE_RELEASE:
      return reply(in.unique, 0, nullptr, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;  // these have no answer
    default:
      return reply(in.unique, ENOSYS, nullptr, 0);
  }
}

void PowerCuts::make_image(size_t count, std::mt19937_64& random, std::string* image) {
  const auto put = [](std::string& disk, const Event& event, uint64_t from, uint64_t size) {
    disk.replace(event.offset + from, size, event.bytes, from, size);
  };
  for (size_t i = flushed_; i < count; ++i) {
    if (!events_[i].flush) continue;
    for (; flushed_ < i; ++flushed_) {
      const Event& event = events_[flushed_];
      if (!event.flush) put(durable_, event, 0, event.bytes.size());
    }
  }
  image->assign(durable_);
  // Nothing of what was not flushed, all of it, or a share of its blocks or of its writes.
  const uint64_t keep_percent =
      std::initializer_list<uint64_t>{0, 20, 50, 80, 100}.begin()[random() % 5];
  const bool torn = random() % 2 == 0;
  for (size_t i = flushed_; i < count; ++i) {
    const Event& event = events_[i];
    if (event.flush) continue;
    const uint64_t step = torn ? kBlock : event.bytes.size();
    for (uint64_t from = 0; from < event.bytes.size(); from += step) {
      if (random() % 100 >= keep_percent) continue;
      put(*image, event, from, std::min<uint64_t>(step, event.bytes.size() - from));
    }
  }
}

}  // namespace respcask::power
