// The second half of Connection: what leaves, when, and how a connection ends.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "server/client_info.h"
#include "server/log.h"
#include "server/net/connection.h"
#include "server/net/worker.h"
#include "server/server.h"

namespace respcask::server {

// --- the end of a turn -------------------------------------------------------------------------

std::string_view Connection::first_of_turn(engine::SyncPoint point, bool commit_failed) const {
  const bool depends = !touched_.empty();
  if (state_ == State::kClosed || (commit_failed && depends)) return {};
  if (!output_.empty() || !lent_.empty()) return {};
  if (!worker_.may_leave(depends ? point : 0)) return {};
  return replies_;
}

void Connection::finish_turn(engine::SyncPoint point, bool commit_failed,
                             std::optional<ssize_t> sent) {
  dirty = false;
  if (state_ == State::kClosed) return;
  if (!sent) {
    const uv_buf_t piece{replies_.data(), replies_.size()};
    sent = first_of_turn(point, commit_failed).empty() ? 0 : send({&piece, 1});
  }
  const bool depends = !touched_.empty();
  touched_.clear();
  if (commit_failed && depends) {
    disconnect();  // the replies speak of a state that may not exist
    return;
  }
  if (!replies_.empty()) {
    const std::optional<size_t> left = count_sent(*sent);
    if (!left) return;
    if (*left == reply_bytes()) {
      replies_.clear();
    } else {
      // What has left in part waited for nothing.
      output_.add(depends && *left == 0 ? point : 0, std::exchange(replies_, std::string()),
                  std::exchange(lent_, resp::LentBytes()));
      output_.remove(*left);
    }
  }
  worker_.give_string(std::exchange(replies_, std::string()));
  if (!output_.empty()) {
    flush();
    // What is lent may leave memory, or be all that is left of a segment.
    output_.own();
  }
  after_flush();
}

std::string_view Connection::first_held() {
  if (state_ == State::kClosed || write_pending_) return {};
  std::array<uv_buf_t, 2> pieces;
  return gather(pieces) == 1 ? std::string_view(pieces[0].base, pieces[0].len) : std::string_view();
}

void Connection::release(std::optional<ssize_t> sent) {
  held = false;
  if (state_ == State::kClosed) return;
  if (!sent || take_sent(*sent)) flush();
  after_flush();
}

// Sends what may leave, as far as the socket takes it.
void Connection::flush() {
  while (!output_.empty() && !write_pending_ && state_ != State::kClosed) {
    std::array<uv_buf_t, kWritePieces> pieces;
    const size_t count = gather(pieces);
    if (count == 0) {
      worker_.mark_held(*this);
      return;
    }
    if (!take_sent(send({pieces.data(), count}))) return;
  }
}

// Takes what a send from the front of the queue came to out of it; false: no more can be sent now.
bool Connection::take_sent(ssize_t result) {
  const std::optional<size_t> sent = count_sent(result);
  if (!sent) return false;
  output_.remove(*sent);
  if (*sent == 0) write_rest();
  return *sent != 0;
}

// What is sent counts as what is received: who only listens is not idle.
void Connection::note_activity() {
  last_active_ms_ = static_cast<int64_t>(uv_now(worker_.loop()));
  if (session_) session_->last_active_ms = worker_.turn().now_ms();
}

// Bytes that the socket took, or -errno. No write of libuv's is under way. Not uv_try_write(),
// because write(2) costs more than send(2): a file's position and its watchers are looked at
// (measured: 0.08 us of 3.5).
ssize_t Connection::send(std::span<const uv_buf_t> pieces) {
  assert(!write_pending_);
  ssize_t sent = 0;
  do {
    if (pieces.size() == 1) {
      sent = ::send(fd_, pieces[0].base, pieces[0].len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      // uv_buf_t is laid out as an iovec.
      msghdr message{};
      message.msg_iov = reinterpret_cast<iovec*>(const_cast<uv_buf_t*>(pieces.data()));
      message.msg_iovlen = pieces.size();
      sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

// The bytes of a send that came to `result`, counted; none if it failed, and the connection is
// closed.
std::optional<size_t> Connection::count_sent(ssize_t result) {
  if (result >= 0) {
    if (result > 0) {
      worker_.turn().stats.writes.add();
      note_activity();
    }
    worker_.turn().stats.bytes_out.add(static_cast<size_t>(result));
    return static_cast<size_t>(result);
  }
  if (result == -EAGAIN || result == -EINTR || result == -ENOBUFS) return 0;
  log_verbose("Error writing to client: {}",
              uv_strerror(uv_translate_sys_error(static_cast<int>(-result))));
  disconnect();
  return std::nullopt;
}

// Whether the first part of the queue is synced.
bool Connection::may_leave() {
  uv_buf_t first;
  return gather({&first, 1}) > 0;
}

// Pieces of what may leave, from the front on; how many.
size_t Connection::gather(std::span<uv_buf_t> pieces) {
  size_t count = 0;
  output_.each_released([this](engine::SyncPoint point) { return worker_.may_leave(point); },
                        pieces.size(),
                        [&](const char* data, size_t size) {
                          pieces[count++] = {const_cast<char*>(data), size};
                        });
  return count;
}

// Leaves the rest to libuv, which waits until the socket takes more.
void Connection::write_rest() {
  output_.own();
  std::array<uv_buf_t, kWritePieces> pieces;
  const size_t count = gather(pieces);
  writing_bytes_ = 0;
  for (size_t i = 0; i < count; ++i) writing_bytes_ += pieces[i].len;
  const int status =
      uv_write(&write_, stream(), pieces.data(), static_cast<unsigned>(count), on_written);
  if (status != 0) {
    disconnect();
    return;
  }
  write_pending_ = true;
}

void Connection::on_written(uv_write_t* request, int status) {
  auto* const self = static_cast<Connection*>(request->data);
  self->worker_.enter();
  self->write_pending_ = false;
  if (self->state_ == State::kClosed) return;
  self->note_activity();
  if (status != 0) {
    log_verbose("Error writing to client: {}", uv_strerror(status));
    self->disconnect();
    return;
  }
  self->worker_.turn().stats.writes.add();
  self->worker_.turn().stats.bytes_out.add(self->writing_bytes_);
  self->output_.remove(self->writing_bytes_);
  self->flush();
  self->after_flush();
}

// What follows from how much is still unsent: go on, wait, or close.
void Connection::after_flush() {
  if (state_ == State::kClosed || state_ == State::kLingering) return;
  if (!output_.empty() && worker_.store().sync_failed() && !may_leave()) {
    disconnect();  // the sync that the next reply waits for will never return
    return;
  }
  update_counts();
  if (enforce_output_limits(static_cast<int64_t>(uv_now(worker_.loop())))) return;
  if (evict_if_over()) return;
  if (state_ == State::kFlushing) {
    if (output_.empty() && replies_.empty()) close_flushed();
    return;
  }
  if (stalled_ && !must_read_first(2 * unsent_bytes())) {
    stalled_ = false;
    if (state_ == State::kOpen) worker_.mark_ready(*this);
  }
  update_reading();
}

// --- limits ------------------------------------------------------------------------------------

size_t Connection::unsent_bytes() const {
  const size_t written =
      write_pending_ ? writing_bytes_ - uv_stream_get_write_queue_size(stream()) : 0;
  return reply_bytes() + output_.bytes() - written;
}

void Connection::update_counts() {
  shown_.unread = input_.unread().size();
  // A request that waits is complete, and lies in front of what is unread.
  shown_.taken = again_ ? parser_.consumed() : parser_.taken();
  shown_.arguments = shown_.taken != 0 ? parser_.argument_bytes() : 0;
  shown_.input_memory = input_.capacity();
  shown_.parser_memory = parser_.heap_bytes();
  update_output_counts();
}

void Connection::update_output_counts() {
  shown_.unsent = unsent_bytes();
  shown_.output_parts = output_.parts() + (replies_.empty() ? 0 : 1);
  // What is lent counts as if it were copied, which it is if it does not leave in this turn.
  shown_.output_memory =
      output_.memory_bytes() + (replies_.empty() ? 0 : replies_.capacity() + lent_.bytes());
}

// The fields may be of two turns, so none is taken for the larger one.
ClientBuffers Connection::buffers() const {
  ClientBuffers buffers;
  const size_t unread = shown_.unread;
  const size_t memory = shown_.input_memory;
  buffers.input = unread - std::min<size_t>(unread, shown_.taken);
  buffers.arguments = shown_.arguments;
  buffers.input_free = memory - std::min(memory, unread);
  buffers.input_memory = memory + shown_.parser_memory;
  buffers.output = shown_.unsent;
  buffers.output_parts = shown_.output_parts;
  buffers.output_memory = shown_.output_memory;
  return buffers;
}

// Cuts off a client whose unsent replies pass its class's limits; true if it did.
bool Connection::enforce_output_limits(int64_t now_ms) {
  const size_t unsent = shown_.unsent;
  if (unsent == 0) {
    soft_limit_since_ms_ = 0;
    return false;
  }
  const OutputLimit& limit = output_limit(worker_.config(), *session_);
  bool over = limit.hard_bytes != 0 && unsent >= limit.hard_bytes;
  if (limit.soft_bytes != 0 && unsent >= limit.soft_bytes) {
    if (soft_limit_since_ms_ == 0) soft_limit_since_ms_ = now_ms;
    over = over || now_ms - soft_limit_since_ms_ > static_cast<int64_t>(limit.soft_s) * 1000;
  } else {
    soft_limit_since_ms_ = 0;
  }
  if (over) cut_off();
  return over;
}

void Connection::cut_off() {
  log_warning("Client {} closed for overcoming of output buffer limits.", description());
  disconnect();
}

// Disconnects the client if it is the one to go for maxmemory-clients; true if it did. Between two
// commands of a turn only the replies are counted anew: they are there before they are sent, and
// clients go for them before keys do.
bool Connection::evict_if_over(bool between_commands) {
  const uint64_t limit = client_memory_limit(worker_.config());
  if (limit == 0) return false;
  if (between_commands) {
    update_output_counts();
  } else {
    update_counts();
  }
  Server& server = worker_.turn().server;
  server.client_memory.set(memory_share_, client_memory(*session_));
  if (!server.client_memory.worth_a_look(limit)) return false;
  const bool self_too = evict_clients(server, worker_.turn().stats, limit, &*session_);
  worker_.close_told(*this);
  if (self_too) disconnect();
  return self_too;
}

void Connection::tick(int64_t now_ms) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kLingering) {
    if (now_ms > linger_until_ms_) disconnect();
    return;
  }
  input_.release_if_empty(true);
  if (input_.is_loose()) input_.shrink();
  // A blocked command may wait for ever, and all that needs its request until then is running it
  // again; what reads from the disk for a parked one looks at the arguments.
  if (state_ == State::kWaiting && !parked_ && input_.fit()) parser_.parse(input_.unread());
  update_counts();
  if (enforce_output_limits(now_ms) || evict_if_over()) return;
  if (stalled_) update_reading();  // there may be room on the disk again, or a spill to be had
  if (!reading_ && !input_ended_ && peer_is_gone()) {
    disconnect();
    return;
  }
  const int64_t timeout_ms = int64_t{worker_.config().timeout_s} * 1000;
  // One that is waited for is not idle.
  const bool may_be_idle = state_ == State::kOpen || state_ == State::kFlushing;
  const bool listens = session_->subscribed() || session_->monitor;
  if (timeout_ms > 0 && may_be_idle && !listens && now_ms - last_active_ms_ > timeout_ms) {
    log_verbose("Closing idle client");
    disconnect();
  }
}

// While a socket is not read from, the loop does not notice that the other side is gone. Whoever
// only sends no more counts as gone where a command waits for what may never come, as in
// waits_for_nobody(); what waits for a disk is still to be answered.
bool Connection::peer_is_gone() const {
  const bool blocked = state_ == State::kWaiting && !parked_;
  pollfd query{fd_, blocked ? short{POLLRDHUP} : short{0}, 0};
  return ::poll(&query, 1, 0) > 0 && (query.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

// --- the end -----------------------------------------------------------------------------------

// All replies have left. Closing a socket with unread input resets it, and the reset may overtake
// the replies; so the rest of the input is read and thrown away for a while.
void Connection::close_flushed() {
  int unread = 0;
  const bool more = !input_ended_ && ::ioctl(fd_, FIONREAD, &unread) == 0 && unread > 0;
  if (!more) {
    disconnect();
    return;
  }
  leave();
  ::shutdown(fd_, SHUT_WR);
  state_ = State::kLingering;
  linger_until_ms_ = static_cast<int64_t>(uv_now(worker_.loop())) + kLingerMs;
  input_.unpin();
  input_.consume(input_.unread().size());
  spill_.reset();
  update_reading();
}

void Connection::disconnect() {
  if (state_ == State::kClosed) return;
  leave();
  state_ = State::kClosed;
  // Not only at the end of the turn: who is evicted makes room for what runs next.
  std::string().swap(replies_);
  lent_ = resp::LentBytes();
  if (!write_pending_) output_.clear();
  spill_.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(stream()), [](uv_handle_t* handle) {
    auto* const self = static_cast<Connection*>(handle->data);
    self->worker_.remove(*self);
  });
}

// From here on no other thread knows the connection.
void Connection::leave() {
  if (session_) session_->server.client_memory.set(memory_share_, 0);
  session_.reset();
  worker_.forget(*this);
}

std::string Connection::description() const {
  return client_info(*session_, worker_.turn().now_ms());
}

}  // namespace respcask::server
