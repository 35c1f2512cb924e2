#include "server/net/worker.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "engine/named_thread.h"
#include "server/crash_log.h"
#include "server/log.h"
#include "server/look_ahead.h"
#include "server/net/network.h"
#include "server/server.h"

namespace respcask::server {
namespace {

constexpr uint64_t kTickMs = 100;
// Each connection is looked after once a second or so.
constexpr size_t kTicksForAll = 10;
// What was sent during the end of a turn is taken along at once, but not for ever.
constexpr int kRoundsPerTurn = 4;
// A reply string that has grown past this is not kept; the second where memory is bounded, as what
// is kept comes on top of what counts there.
constexpr size_t kKeptStringBytes = 256 * 1024;
constexpr size_t kKeptBoundedBytes = 64 * 1024;
// Of all that are kept: enough for a turn in which a thousand clients get a few replies.
constexpr size_t kKeptBytes = 4 * 1024 * 1024;

uv_handle_t* handle(auto* any) {
  return reinterpret_cast<uv_handle_t*>(any);
}

template <class Handle>
Worker& worker_of(Handle* any) {
  return *static_cast<Worker*>(any->data);
}

}  // namespace

Worker::Worker(Network& network, Server& server, uint32_t index)
    : network_(network), server_(server), store_(server.store), index_(index) {}

engine::Result<void> Worker::open() {
  if (open_) return {};
  const auto failed = [](int status) {
    return engine::Error{engine::ErrorCode::kNoFiles,
                         fmt::format("Unable to make an event loop: {}", uv_strerror(status))};
  };
  if (const int status = uv_loop_init(&loop_); status != 0) return failed(status);
  const auto woken = [](uv_async_t* async) { worker_of(async).enter(); };
  if (const int status = uv_async_init(&loop_, &async_, woken); status != 0) {
    uv_loop_close(&loop_);
    return failed(status);
  }
  uv_prepare_init(&loop_, &prepare_);
  uv_check_init(&loop_, &check_);
  uv_idle_init(&loop_, &idle_);
  uv_timer_init(&loop_, &timer_);
  async_.data = prepare_.data = check_.data = idle_.data = timer_.data = this;
  open_ = true;
  return {};
}

Worker::~Worker() {
  assert(!thread_.joinable());
  if (!open_) return;
  if (uv_loop_alive(&loop_) != 0 || uv_is_closing(handle(&async_)) == 0) {  // never started
    close_everything();
    uv_run(&loop_, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop_);
  for (const Accepted& accepted : accepted_) ::close(accepted.fd);
}

engine::Result<void> Worker::start() {
  if (auto made = open(); !made) return made;
  return engine::start_thread(thread_, "loop-" + std::to_string(index_), [this] { run(); });
}

void Worker::run() {
  thread_id_ = std::this_thread::get_id();
  const CrashStack crash_stack;
  turn_.emplace(server_);
  const engine::Options& options = store_.options();
  spills_.emplace(*options.files, options.dir, "INPUT-" + std::to_string(index_),
                  turn_->stats.spilled_bytes);
  // A turn ends before the loop may sleep, and after it has looked at the sockets.
  uv_prepare_start(&prepare_, [](uv_prepare_t* prepare) { worker_of(prepare).end_turn(); });
  uv_check_start(&check_, [](uv_check_t* check) {
    worker_of(check).run_fresh();
    worker_of(check).end_turn();
  });
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { worker_of(timer).on_tick(); }, kTickMs, kTickMs);
  open_rings();
  run_loop();
  ring_.reset();
  sends_.reset();
  turn_.reset();
}

void Worker::open_rings() {
  if (!turn_->config().io_uring) return;
  sends_ = SendRing::open();
  ring_ = ReadRing::open(server_.readers);
  if (!ring_) {
    if (index_ == 0) log_notice("No io_uring here: threads read the values not in memory");
    return;
  }
  turn_->reader = ring_.get();
  reads_.data = this;
  const int status = uv_poll_init(&loop_, &reads_, ring_->descriptor());
  assert(status == 0);
  uv_poll_start(&reads_, UV_READABLE, [](uv_poll_t* reads, int, int) {
    worker_of(reads).enter();
    worker_of(reads).ring_->reap();
  });
}

// As uv_run() by itself, but a loop that had work asks for more for a moment before it sleeps: to
// be put to sleep and woken costs the loop and the client that wakes it more than that. Where the
// moment is soon over in vain again and again it is left out, ever more often.
void Worker::run_loop() {
  constexpr uint64_t kMomentNs = 10'000;
  constexpr uint32_t kMostSkipped = 64;
  uint32_t skip = 0;     // sleeps before the next try
  uint32_t skipped = 0;  // the last time
  for (bool alive = true; alive;) {
    const uint64_t turn = turn_number_;
    if (skip > 0) {
      --skip;
    } else {
      const uint64_t begin = uv_hrtime();
      do {
        alive = uv_run(&loop_, UV_RUN_NOWAIT) != 0;
      } while (alive && turn_number_ == turn && uv_hrtime() - begin < kMomentNs);
      if (turn_number_ != turn) {
        skipped = 0;
        continue;
      }
      skip = skipped = std::min(2 * skipped + 1, kMostSkipped);
    }
    if (alive) alive = uv_run(&loop_, UV_RUN_ONCE) != 0;
  }
}

void Worker::stop() {
  post([this] { stopping_ = true; });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

// --- any thread --------------------------------------------------------------------------------

void Worker::wake() {
  // On the loop's own thread the turn at hand will look into the inbox before the loop sleeps.
  if (!on_own_thread()) uv_async_send(&async_);
}

void Worker::adopt(int fd, bool unix_socket) {
  {
    std::lock_guard guard(inbox_mutex_);
    accepted_.push_back({fd, unix_socket});
    inbox_used_ = true;
  }
  wake();
}

void Worker::post(std::function<void()> task) {
  {
    std::lock_guard guard(inbox_mutex_);
    tasks_.push_back(std::move(task));
    inbox_used_ = true;
  }
  wake();
}

void Worker::synced() {
  // Read by writing back what is there: of this and the exchange in finish_round() one comes second
  // and sees what the other's thread did before, so the loop sees the sync or is woken for it.
  if (holds_.fetch_or(0, std::memory_order_acq_rel) != 0) uv_async_send(&async_);
}

// --- the turn ----------------------------------------------------------------------------------

void Worker::begin_turn() {
  in_turn_ = true;
  turn_->begin();
}

void Worker::end_turn() {
  for (int round = 0; in_turn_ || inbox_used_.load(std::memory_order_acquire); ++round) {
    if (round == kRoundsPerTurn) {
      uv_async_send(&async_);
      break;
    }
    enter();
    finish_round();
    in_turn_ = false;
  }
  if (stopping_) close_everything();
}

void Worker::finish_round() {
  drain_inbox();
  turn_->reader->submit(turn_->fetches);
  engine::SyncPoint point = 0;
  bool failed = false;
  if (!turn_->touched.empty()) {
    const engine::Result<engine::SyncPoint> committed = turn_->commit();
    failed = !committed;
    if (failed) {
      log_warning("Commit failed: {}", committed.error().message);
    } else if (config().appendfsync == AppendFsync::kAlways) {
      point = *committed;  // only then does anybody wait for the sync
    }
  }
  deliver_outbox(point, failed);
  send_together(
      dirty_, [&](Connection& each) { return each.first_of_turn(point, failed); },
      [&](Connection& each, std::optional<ssize_t> sent) {
        each.finish_turn(point, failed, sent);
      });
  dirty_.clear();
  // What was not given back belongs to a client from now on.
  turn_->stats.kept_bytes.sub(std::exchange(taken_bytes_, 0));
  count_blocks();
  ++turn_number_;
  const bool holds = !held_.empty() || !held_outboxes_.empty();
  if (holds) {
    // Marked first, so that no sync goes by unseen; then what was synced meanwhile is sent.
    holds_.exchange(1, std::memory_order_acq_rel);
    release_held();
  } else if (holds_.load(std::memory_order_relaxed) != 0) {
    holds_.store(0, std::memory_order_relaxed);
  }
}

// Calls `finish` for each, having sent what `offer` gives of many at once where that pays. The list
// may grow meanwhile, and is walked by index for that.
template <class Offer, class Finish>
void Worker::send_together(const std::vector<Connection*>& connections, const Offer& offer,
                           const Finish& finish) {
  for (size_t begin = 0; begin < connections.size();) {
    const size_t count = std::min<size_t>(connections.size() - begin, SendRing::kDepth);
    std::array<std::string_view, SendRing::kDepth> first;
    size_t offered = 0;
    for (size_t i = 0; sends_ && i < count; ++i) {
      first[i] = offer(*connections[begin + i]);
      if (!first[i].empty()) ++offered;
    }
    std::span<const int32_t> results;
    if (offered >= SendRing::kWorthwhile) {
      for (size_t i = 0; i < count; ++i) {
        if (!first[i].empty()) sends_->add(connections[begin + i]->descriptor(), first[i]);
      }
      results = sends_->send_all();
    }
    size_t next = 0;
    for (size_t i = 0; i < count; ++i) {
      const bool sent = !results.empty() && !first[i].empty();
      finish(*connections[begin + i],
             sent ? std::optional<ssize_t>(results[next++]) : std::nullopt);
    }
    begin += count;
  }
}

// Messages to subscribers leave when the replies of the turn that published them do.
void Worker::deliver_outbox(engine::SyncPoint point, bool commit_failed) {
  Outbox outbox = turn_->take_outbox();
  if (outbox.empty() || commit_failed) return;
  if (held_outboxes_.empty() && may_leave(point)) {
    delivering_ = true;
    outbox.deliver();
    delivering_ = false;
  } else {
    held_outboxes_.push_back({point, std::move(outbox)});
  }
}

void Worker::drain_inbox() {
  if (!inbox_used_.load(std::memory_order_acquire)) return;
  std::vector<Accepted> accepted;
  std::vector<std::function<void()>> tasks;
  std::vector<std::pair<Connection*, Connection::Mail::Request>> requests;
  {
    std::lock_guard guard(inbox_mutex_);
    inbox_used_.store(false, std::memory_order_relaxed);
    accepted.swap(accepted_);
    tasks.swap(tasks_);
    requests.reserve(addressed_.size());
    for (Connection* connection : addressed_) {
      Connection::Mail& mail = connection->mail();
      mail.listed = false;
      requests.emplace_back(connection, std::exchange(mail.request, {}));
    }
    addressed_.clear();
  }
  // A connection is deleted by the loop after the turn, so none of these can be gone.
  for (const auto& [connection, request] : requests) connection->deliver(request);
  for (const Accepted& each : accepted) open_connection(each);
  for (const auto& task : tasks) task();
}

void Worker::close_told(const Connection& running) {
  std::vector<Connection*> told;
  {
    std::lock_guard guard(inbox_mutex_);
    for (Connection* connection : addressed_) {
      const bool at_once = connection->mail().request.close == Connection::Mail::Close::kNow;
      if (at_once && connection != &running) told.push_back(connection);
    }
  }
  for (Connection* connection : told) connection->disconnect();
}

bool Worker::take_pushed(Connection& connection, std::string& to, size_t most_bytes) {
  std::lock_guard guard(inbox_mutex_);
  Connection::Mail& mail = connection.mail();
  std::string& waiting = mail.pushed;
  if (mail.request.resumed) {
    // What is behind the end of the wait belongs behind its reply.
    most_bytes = std::min(most_bytes, mail.request.before_resume);
    mail.request.before_resume -= most_bytes;
  }
  if (most_bytes < waiting.size()) {
    to.append(waiting, 0, most_bytes);
    waiting.erase(0, most_bytes);
    return false;
  }
  std::string pushed = std::exchange(waiting, {});
  if (to.empty()) {
    to = std::move(pushed);
  } else {
    to += pushed;
  }
  return true;
}

void Worker::forget(Connection& connection) {
  std::lock_guard guard(inbox_mutex_);
  if (connection.mail().listed) std::erase(addressed_, &connection);
  connection.mail() = Connection::Mail();
}

void Worker::release_held() {
  if (held_.empty() && held_outboxes_.empty()) return;
  while (!held_outboxes_.empty() && may_leave(held_outboxes_.front().point)) {
    held_outboxes_.front().outbox.deliver();
    held_outboxes_.pop_front();
  }
  if (store_.sync_failed()) held_outboxes_.clear();  // what they tell of is lost
  const std::vector<Connection*> waiting = std::exchange(held_, {});
  send_together(
      waiting, [](Connection& each) { return each.first_held(); },
      [](Connection& each, std::optional<ssize_t> sent) { each.release(sent); });
}

// --- connections -------------------------------------------------------------------------------

void Worker::open_connection(Accepted accepted) {
  if (stopping_) {
    ::close(accepted.fd);
    network_.connection_closed();
    return;
  }
  auto connection = std::make_unique<Connection>(*this, accepted.fd, accepted.unix_socket);
  connection->position = connections_.size();
  connections_.push_back(connection.release());
  connections_.back()->start();
}

void Worker::remove(Connection& connection) {
  Connection* const last = connections_.back();
  connections_[connection.position] = last;
  last->position = connection.position;
  connections_.pop_back();
  std::erase(fresh_, &connection);
  std::erase(ready_, &connection);
  std::erase(held_, &connection);
  std::erase(dirty_, &connection);
  delete &connection;
  network_.connection_closed();
}

void Worker::mark_dirty(Connection& connection) {
  if (connection.dirty) return;
  connection.dirty = true;
  dirty_.push_back(&connection);
}

void Worker::mark_fresh(Connection& connection) {
  if (connection.fresh) return;
  connection.fresh = true;
  fresh_.push_back(&connection);
}

void Worker::run_fresh() {
  for (size_t next = 0, end = 0; next < fresh_.size();) {
    if (LookAhead::pays(server_)) {
      LookAhead keys(server_);
      while (end < fresh_.size() && !keys.full()) fresh_[end++]->look_ahead(keys);
      keys.load();
    } else {
      end = fresh_.size();
    }
    for (; next < end; ++next) {
      fresh_[next]->fresh = false;
      turn_->lap();
      fresh_[next]->run();
    }
  }
  fresh_.clear();
}

void Worker::mark_ready(Connection& connection) {
  if (connection.ready) return;
  connection.ready = true;
  ready_.push_back(&connection);
  // An idle handle keeps the loop from sleeping.
  if (ready_.size() == 1) {
    uv_idle_start(&idle_, [](uv_idle_t* idle) { worker_of(idle).run_ready(); });
  }
}

void Worker::run_ready() {
  enter();
  const std::vector<Connection*> ready = std::exchange(ready_, {});
  uv_idle_stop(&idle_);
  for (Connection* connection : ready) {
    connection->ready = false;
    connection->run();
  }
}

void Worker::mark_held(Connection& connection) {
  if (connection.held) return;
  connection.held = true;
  held_.push_back(&connection);
}

void Worker::on_tick() {
  enter();
  drop_idle_strings();
  blocks_.drop_idle();
  count_blocks();
  const auto now_ms = static_cast<int64_t>(uv_now(&loop_));
  size_t count = connections_.size() / kTicksForAll + 1;
  for (count = std::min(count, connections_.size()); count > 0; --count) {
    if (tick_position_ >= connections_.size()) tick_position_ = 0;
    connections_[tick_position_++]->tick(now_ms);
  }
}

std::string Worker::take_string() {
  if (strings_.empty()) {
    std::string fresh;
    fresh.reserve(1024);
    return fresh;
  }
  std::string text = std::move(strings_.back());
  strings_.pop_back();
  idle_strings_ = std::min(idle_strings_, strings_.size());
  taken_bytes_ += text.capacity();
  return text;
}

void Worker::give_string(std::string text) {
  const size_t most = config().maxmemory == 0 ? kKeptStringBytes : kKeptBoundedBytes;
  if (text.capacity() < 64 || text.capacity() > most) return;
  const size_t strings = turn_->stats.kept_bytes.get() - counted_block_bytes_;
  if (strings + text.capacity() > kKeptBytes) return;
  turn_->stats.kept_bytes.add(text.capacity());
  strings_.push_back(std::move(text));
}

void Worker::drop_idle_strings() {
  for (size_t i = 0; i < idle_strings_; ++i) turn_->stats.kept_bytes.sub(strings_[i].capacity());
  strings_.erase(strings_.begin(), strings_.begin() + static_cast<ptrdiff_t>(idle_strings_));
  idle_strings_ = strings_.size();
}

void Worker::count_blocks() {
  const size_t bytes = blocks_.spare_bytes();
  if (bytes == counted_block_bytes_) return;
  turn_->stats.kept_bytes.add(bytes);
  turn_->stats.kept_bytes.sub(std::exchange(counted_block_bytes_, bytes));
}

void Worker::close_everything() {
  for (Connection* connection : connections_) connection->disconnect();
  const auto close = [](uv_handle_t* any) {
    if (uv_is_closing(any) == 0) uv_close(any, nullptr);
  };
  close(handle(&async_));
  close(handle(&prepare_));
  close(handle(&check_));
  close(handle(&idle_));
  close(handle(&timer_));
  if (ring_) close(handle(&reads_));
  network_.loop_ends(*this);
}

}  // namespace respcask::server
