#include "server/net/connection.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <ctime>
#include <utility>

#include "resp/writer.h"
#include "server/dispatch.h"
#include "server/identity.h"
#include "server/letter_case.h"
#include "server/log.h"
#include "server/look_ahead.h"
#include "server/net/address.h"
#include "server/net/worker.h"
#include "server/server.h"

namespace respcask::server {
namespace {

// What a browser sends first when a web page makes it talk to a port that is not HTTP's.
bool is_http(std::string_view word) {
  return equal_ignoring_case(word, "post") || equal_ignoring_case(word, "host:");
}

}  // namespace

Connection::Connection(Worker& worker, int fd, bool unix_socket)
    : worker_(worker), fd_(fd), unix_socket_(unix_socket), input_(worker.blocks()) {
  Peer peer = peer_of(fd, unix_socket);
  peer.worker = worker.index();
  // The far end of a Unix socket has no name of its own; both go by the one that was configured.
  if (unix_socket) peer.address = peer.local_address = worker.config().unixsocket + ":0";
  session_.emplace(worker.turn().server, *this, std::move(peer));
  last_active_ms_ = static_cast<int64_t>(uv_now(worker.loop()));
}

Connection::~Connection() {
  assert(state_ == State::kClosed);
}

void Connection::start() {
  int status;
  if (unix_socket_) {
    uv_pipe_init(worker_.loop(), &handle_.pipe, 0);
    status = uv_pipe_open(&handle_.pipe, fd_);
  } else {
    uv_tcp_init(worker_.loop(), &handle_.tcp);
    status = uv_tcp_open(&handle_.tcp, fd_);
  }
  handle_.tcp.data = this;
  write_.data = this;
  if (status != 0) {
    ::close(fd_);
    disconnect();
    return;
  }
  worker_.turn().stats.connections.add();
  update_parser_limits();
  update_reading();
}

// --- reading -----------------------------------------------------------------------------------

// Bytes of the argument that is being read.
size_t Connection::missing() const {
  return whole_at_ - std::min(whole_at_, input_.unread().size());
}

void Connection::on_room(uv_handle_t* handle, size_t, uv_buf_t* room) {
  auto* const self = static_cast<Connection*>(handle->data);
  if (self->fresh && self->input_.full()) {
    // The loop would read again at once for as long as there is more than fits. This ends it for
    // this turn without the system calls that uv_read_stop() and its counterpart cost.
    *room = uv_buf_init(nullptr, 0);
    return;
  }
  // One read a turn goes into a spill, so that the others are served meanwhile.
  if (self->spill_ && self->spill_turn_ == self->worker_.turn_number()) {
    *room = uv_buf_init(nullptr, 0);
    return;
  }
  const std::span<char> space =
      self->spill_ ? self->worker_.spills().room() : self->input_.room(self->missing());
  *room = uv_buf_init(space.data(), static_cast<unsigned>(std::min(space.size(), size_t{1} << 30)));
}

void Connection::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
  static_cast<Connection*>(stream->data)->take_input(size);
}

void Connection::update_reading() {
  bool wanted = !input_ended_;
  switch (state_) {
    case State::kOpen:
      wanted = wanted && !ready && (stalled_ ? may_send_more() : !spill_);
      break;
    case State::kWaiting:
      wanted = wanted && !spill_ && input_.unread().size() < parser_.consumed() + kReadAhead;
      break;
    case State::kFlushing:
    case State::kClosed:
      wanted = false;
      break;
    case State::kLingering:
      break;
  }
  if (wanted == reading_ || state_ == State::kClosed) return;
  reading_ = wanted;
  if (wanted) {
    uv_read_start(stream(), on_room, on_read);
  } else {
    uv_read_stop(stream());
  }
}

void Connection::take_input(ssize_t size) {
  worker_.enter();
  if (size == UV_ENOBUFS) return;  // on_room() has given none
  if (size == 0) {                 // nothing there after all
    input_.release_if_empty(false);
    return;
  }
  if (size < 0) {
    if (size != UV_EOF) {
      log_verbose("Reading from client: {}", uv_strerror(static_cast<int>(size)));
      disconnect();
      return;
    }
    end_input();
    return;
  }
  note_activity();
  worker_.turn().stats.reads.add();
  worker_.turn().stats.bytes_in.add(static_cast<size_t>(size));
  keep_for_later(static_cast<size_t>(size));
  if (state_ == State::kLingering) {
    input_.consume(input_.unread().size());
    return;
  }
  if (evict_if_over()) return;
  if (state_ == State::kOpen && !stalled_) {
    worker_.mark_fresh(*this);
  } else {
    update_reading();
    update_counts();
  }
}

// `size` bytes have been read to where on_room() said.
void Connection::keep_for_later(size_t size) {
  if (spill_) {
    spill_turn_ = worker_.turn_number();
    spill_->add({worker_.spills().room().data(), size});
    return;
  }
  input_.add(size);
}

// Moves some of what has been spilled behind what is unread; false: there is none, or the client
// had to be closed.
bool Connection::take_spilled() {
  if (!spill_) return false;
  if (spill_->empty()) {
    spill_.reset();
    return false;
  }
  const auto taken = spill_->take(input_.room(missing()));
  if (!taken) {
    log_warning("Closing client: {}", taken.error().message);
    disconnect();
    return false;
  }
  input_.add(*taken);
  if (spill_->empty()) spill_.reset();
  return true;
}

// The client sends no more. What it has sent is still carried out and answered, unless it waits for
// something that may never come.
void Connection::end_input() {
  input_ended_ = true;
  reading_ = false;
  input_.release_if_empty(false);
  if (state_ == State::kLingering) {
    disconnect();
  } else if (waits_for_nobody()) {
    give_up_waiting();
  } else if (state_ == State::kOpen && !fresh && !ready && !stalled_) {
    state_ = State::kFlushing;
    worker_.mark_dirty(*this);
  }
}

// --- commands ----------------------------------------------------------------------------------

// Whether so much is unsent that the client has to read first. With maxmemory-clients it may hold
// as much as that, and be evicted for it, and whoever is never evicted (CLIENT NO-EVICT) as much as
// its output limit allows, both as in Redis.
bool Connection::must_read_first(size_t unsent) {
  if (unsent < kUnauthenticatedHighWater) return false;
  if (must_authenticate(*session_)) return true;
  if (session_->no_evict) return false;
  return unsent >= std::max<uint64_t>(kOutputHighWater, client_memory_limit(worker_.config()));
}

// Whether a client that has to read first may send more meanwhile.
bool Connection::may_send_more() {
  if (must_authenticate(*session_)) return false;
  if (!spill_) {
    if (input_.unread().size() < kStalledInput) return true;
    spill_ = worker_.spills().open(worker_.config().client_query_buffer_limit);
  }
  return spill_ && spill_->takes_more();
}

// Whether the client may run one more command this turn. The clock is read only now and then.
bool Connection::budget_left() {
  if (turn_ != worker_.turn_number()) {
    turn_ = worker_.turn_number();
    turn_commands_ = 0;
    turn_began_ns_ = 0;
  }
  if (++turn_commands_ > kTurnCommands) return false;
  if (turn_commands_ % 16 != 0) return true;
  const uint64_t now = uv_hrtime();
  if (turn_began_ns_ == 0) turn_began_ns_ = now;
  return now - turn_began_ns_ < kTurnNs;
}

void Connection::look_ahead(LookAhead& keys) {
  if (state_ != State::kOpen || again_) return;
  // Who read last is likely to go on reading.
  const TableEntry* const last = session_->last_command;
  const bool reads = last != nullptr && (last->flags & kReadonly) != 0;
  seen_bytes_ = keys.add(input_.unread(), session_->db, reads);
}

void Connection::run() {
  if (state_ != State::kOpen) return;
  // For CLIENT LIST. As in Redis what is about to run counts as unread until all of it has run, but
  // for a command that has blocked: that one was read before.
  shown_.unread = input_.unread().size();
  shown_.taken = again_ && !parked_ ? parser_.consumed() : 0;
  shown_.arguments = 0;
  shown_.input_memory = input_.capacity();
  // The turn's set holds what all clients touched; here it is kept apart what this one did.
  Turn& turn = worker_.turn();
  const engine::ShardSet others = std::exchange(turn.touched, engine::ShardSet());
  take_room();
  run_buffer();
  touched_.add(turn.touched);
  turn.touched.add(others);

  if (waits_for_nobody()) give_up_waiting();
  if (state_ == State::kOpen && !stalled_ && !ready && input_ended_) state_ = State::kFlushing;
  input_.release_if_empty(false);
  update_reading();
  worker_.mark_dirty(*this);
}

// Something to write replies into, where nothing has been written this turn.
void Connection::take_room() {
  if (replies_.empty() && replies_.capacity() < 64) replies_ = worker_.take_string();
}

void Connection::run_buffer() {
  if (again_) {
    again_ = false;
    if (!run_command(true)) return;
  }
  for (;;) {
    if (must_read_first(reply_bytes() + output_.bytes())) {
      stalled_ = true;
      return;
    }
    if (!budget_left()) {
      worker_.mark_ready(*this);
      return;
    }
    if (seen_bytes_ == 0 && LookAhead::pays(worker_.turn().server) && !input_.unread().empty()) {
      LookAhead keys(worker_.turn().server);
      look_ahead(keys);
      keys.load();
    }
    update_parser_limits();
    switch (parser_.parse(input_.unread())) {
      case resp::Parser::Status::kNeedMore:
        whole_at_ = parser_.wanted() == 0 ? 0 : input_.unread().size() + parser_.wanted();
        if (is_query_too_long()) {
          close_for_query();
          return;
        }
        if (!take_spilled()) return;
        break;
      case resp::Parser::Status::kEmpty:
        consume_request();
        dispatch_empty(*session_);
        break;
      case resp::Parser::Status::kCommand:
        if (is_query_too_long()) {
          close_for_query();
          return;
        }
        if (is_http(parser_.args()[0])) {
          report_attack();
          return;
        }
        if (input_.is_loose()) {
          input_.shrink();  // it may have to wait, and keeps the buffer for as long as it does
          parser_.parse(input_.unread());
        }
        if (!run_command()) return;
        break;
      case resp::Parser::Status::kError:
        log_verbose("Protocol error ({}) from client: {}", parser_.error(), description());
        if (pushed_.load(std::memory_order_acquire)) add_pushes();
        if (!session_->replies_are_hidden()) {
          resp::Writer(replies_, session_->protocol).error(parser_.error());
        }
        worker_.turn().stats.error_replies.add();
        worker_.turn().new_errors();
        worker_.turn().server.stats.count_error("ERR");
        state_ = State::kFlushing;
        return;
    }
  }
}

// Whether an argument, with its line end, is or has become more than client-query-buffer-limit. As
// in Redis, which moves what is complete out of that buffer, those before it do not count.
bool Connection::is_query_too_long() {
  const uint64_t limit = worker_.config().client_query_buffer_limit;
  if (parser_.taken() != 0) return input_.unread().size() - parser_.taken() > limit;
  if (parser_.consumed() <= limit) return false;
  const auto args = parser_.args();
  return std::any_of(args.begin(), args.end(),
                     [&](std::string_view arg) { return arg.size() + 2 > limit; });
}

void Connection::close_for_query() {
  log_warning("Closing client that reached max query buffer length: {}", description());
  disconnect();
}

// Runs the command at the front; false: nothing more of this client runs for now. `resumed`: it has
// waited, and what goes before its reply is there.
bool Connection::run_command(bool resumed) {
  if (evict_if_over(true)) return false;
  if (!resumed && pushed_.load(std::memory_order_acquire)) add_pushes();
  resp::Writer reply(replies_, session_->protocol, &lent_);
  switch (dispatch(*session_, worker_.turn(), parser_.args(), reply)) {
    case Outcome::kDone:
      consume_request();
      input_.unpin();
      return true;
    case Outcome::kParked:
      wait_for_resume(true);
      return false;
    case Outcome::kBlocked:
      wait_for_resume(false);
      return false;
    case Outcome::kClose:
      consume_request();
      input_.unpin();
      state_ = State::kFlushing;
      return false;
    case Outcome::kCutOff:
      cut_off();
      return false;
  }
  return false;
}

void Connection::consume_request() {
  whole_at_ = 0;
  input_.consume(parser_.consumed());
  seen_bytes_ -= std::min(seen_bytes_, parser_.consumed());
}

void Connection::wait_for_resume(bool parked) {
  state_ = State::kWaiting;
  parked_ = parked;
  again_ = true;
  input_.pin();
}

// A command is blocked, and its client has sent all that it will: as in Redis that counts as gone.
bool Connection::waits_for_nobody() const {
  return state_ == State::kWaiting && !parked_ && input_ended_;
}

// At once, or it would be served at others' expense. What ran before is still answered, and so is
// what waits no more but has not been resumed yet.
void Connection::give_up_waiting() {
  if (!session_->stop_waiting()) return;
  state_ = State::kFlushing;
  worker_.mark_dirty(*this);
}

void Connection::report_attack() {
  static std::atomic<std::time_t> last_reported{0};
  const std::time_t now = std::time(nullptr);
  if (std::time_t last = last_reported.load();
      now - last > 60 && last_reported.compare_exchange_strong(last, now)) {
    log_warning(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
        "commands "
        "to respcask. This is likely due to an attacker attempting to use Cross Protocol Scripting "
        "to "
        "compromise your data. Connection from {} aborted.",
        session_->peer.address);
  }
  disconnect();
}

void Connection::update_parser_limits() {
  const bool unauthenticated = must_authenticate(*session_);
  if (limits_version_ == worker_.config_version() &&
      parser_.limits().unauthenticated == unauthenticated) {
    return;
  }
  limits_version_ = worker_.config_version();
  resp::Limits limits;
  limits.max_bulk_bytes = static_cast<int64_t>(worker_.config().proto_max_bulk_len);
  limits.unauthenticated = unauthenticated;
  parser_.set_limits(limits);
}

// --- from other threads ------------------------------------------------------------------------

void Connection::resume() {
  worker_.send(*this, [](Mail& mail) {
    if (!std::exchange(mail.request.resumed, true)) {
      mail.request.before_resume = mail.pushed.size();
    }
  });
}

void Connection::push(std::string_view bytes) {
  if (worker_.delivers_here() && !pushed_.load(std::memory_order_acquire)) {
    if (state_ == State::kFlushing) return;
    take_room();
    replies_ += bytes;
    worker_.mark_dirty(*this);
    return;
  }
  worker_.send(*this, [this, bytes](Mail& mail) {
    mail.pushed += bytes;
    pushed_.store(true, std::memory_order_release);
  });
}

void Connection::close(bool after_replies) {
  worker_.send(*this, [after_replies](Mail& mail) {
    const auto wanted = after_replies ? Mail::Close::kAfterReplies : Mail::Close::kNow;
    mail.request.close = std::max(mail.request.close, wanted);
  });
}

void Connection::take_pushes(std::string& to) {
  take_pushes(to, SIZE_MAX);
}

void Connection::take_pushes(std::string& to, size_t most_bytes) {
  if (!pushed_.load(std::memory_order_acquire)) return;
  // Before the bytes are taken: what comes meanwhile must not be left without its mark.
  pushed_.store(false, std::memory_order_relaxed);
  if (!worker_.take_pushed(*this, to, most_bytes)) pushed_.store(true, std::memory_order_relaxed);
}

void Connection::add_pushes(size_t most_bytes) {
  if (state_ == State::kFlushing) {
    std::string dropped;
    take_pushes(dropped);
    return;
  }
  take_pushes(replies_, most_bytes);
  worker_.mark_dirty(*this);
}

void Connection::deliver(Mail::Request request) {
  if (state_ == State::kClosed || state_ == State::kLingering) return;
  if (request.close == Mail::Close::kNow) {
    disconnect();
    return;
  }
  const bool resumed = request.resumed && state_ == State::kWaiting;
  add_pushes(resumed ? request.before_resume : SIZE_MAX);
  if (request.close == Mail::Close::kAfterReplies) {
    state_ = State::kFlushing;
    update_reading();
    worker_.mark_dirty(*this);
  }
  if (!resumed) return;
  if (state_ == State::kWaiting) {
    state_ = State::kOpen;
    worker_.turn().lap();
    run();
  }
  if (state_ != State::kClosed && pushed_.load(std::memory_order_acquire)) add_pushes();
}

}  // namespace respcask::server
