#include "server/net/send_ring.h"

#include <sys/socket.h>

#include <cassert>
#include <cerrno>

namespace respcask::server {

std::unique_ptr<SendRing> SendRing::open() {
  io_uring ring{};
  constexpr unsigned kFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN;
  if (io_uring_queue_init(kDepth, &ring, kFlags) != 0) return nullptr;
  // Spares each call a look-up of the descriptor; it is as well without.
  io_uring_register_ring_fd(&ring);
  return std::unique_ptr<SendRing>(new SendRing(ring));
}

SendRing::~SendRing() {
  io_uring_queue_exit(&ring_);
}

void SendRing::add(int fd, std::string_view bytes) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  assert(entry != nullptr);
  io_uring_prep_send(entry, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  io_uring_sqe_set_data64(entry, added_++);
}

std::span<const int32_t> SendRing::send_all() {
  const uint32_t count = added_;
  added_ = 0;
  for (uint32_t done = 0; done < count;) {
    // Where it is short of memory the kernel takes fewer, and is asked again.
    const int status = done == 0 ? io_uring_submit(&ring_) : io_uring_submit_and_wait(&ring_, 1);
    assert(status >= 0 || status == -EINTR || status == -EAGAIN || status == -EBUSY);
    std::array<io_uring_cqe*, kDepth> completed;
    const unsigned ready = io_uring_peek_batch_cqe(&ring_, completed.data(), kDepth);
    for (unsigned i = 0; i < ready; ++i) {
      results_[io_uring_cqe_get_data64(completed[i])] = completed[i]->res;
    }
    io_uring_cq_advance(&ring_, ready);
    done += ready;
  }
  return {results_.data(), count};
}

}  // namespace respcask::server
