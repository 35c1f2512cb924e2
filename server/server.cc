#include "server/server.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include <fmt/format.h>

#include "engine/named_thread.h"
#include "engine/working_memory.h"
#include "server/acl/change.h"
#include "server/client_eviction.h"
#include "server/log.h"
#include "server/scope.h"
#include "server/transaction.h"

namespace respcask::server {

Server::Server(engine::Store& of, ConfigStore& with, std::span<const Command> more_commands)
    : store(of),
      config(with),
      commands(with.snapshot()->renamed_commands, more_commands),
      vocabulary(commands),
      users(vocabulary),
      stats(commands.size()),
      usage(of),
      started_ms(now_ms()),
      saving(of, with, stats, started_ms / 1000),
      tables_(of.shard_count()) {
  memory.set_apart([this] { return stats.kept_bytes() + engine::WorkingMemory::total(); });
  users.set_default_password(config.snapshot()->requirepass);
  config.on_change({"requirepass"}, [this](const Config&, const Config& to) {
    acl::set_default_password(*this, to.requirepass);
    return std::nullopt;
  });
}

int64_t Server::now_ms() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

Server::~Server() {
  stop();
}

engine::Result<void> Server::start() {
  // Whoever sets the bound finds it kept.
  WorkerStats& setter_stats = stats.add_worker();
  const auto evict = [this, &setter_stats](const Config&, const Config& to) {
    const uint64_t limit = client_memory_limit(to);
    if (limit != 0) evict_clients(*this, setter_stats, limit, nullptr);
    return std::optional<std::string>();
  };
  config.on_change({"maxmemory-clients", "maxmemory"}, evict);
  saving.clean_up();
  if (auto started = deadlines.start(); !started) return started;
  if (auto started = readers.start(std::max(1, config.snapshot()->readers)); !started) {
    return started;
  }
  stopping_ = false;
  return engine::start_thread(maintenance_, "maintenance", [this] { maintain(); });
}

void Server::stop() {
  {
    std::lock_guard guard(maintenance_mutex_);
    stopping_ = true;
  }
  maintenance_wake_.notify_all();
  if (maintenance_.joinable()) maintenance_.join();
  saving.stop();
  readers.stop();
  deadlines.stop();
}

KeyRef Server::key(std::string_view name, uint32_t db) const {
  return {name, store.shard(0).hash(name), store.shard_of(name), db};
}

void Server::commit(Turn& turn) {
  turn.reader->submit(turn.fetches);
  const engine::Result<engine::SyncPoint> committed = turn.commit();
  Outbox outbox = turn.take_outbox();
  if (committed) {
    outbox.deliver();
  } else {
    log_warning("Commit failed: {}", committed.error().message);
  }
}

// --- sessions -----------------------------------------------------------------------------------

uint64_t Server::take_session_id() {
  return last_session_id_.fetch_add(1, std::memory_order_relaxed) + 1;
}

void Server::add_session(Session& session) {
  std::lock_guard guard(sessions_mutex_);
  sessions_.emplace(session.id, &session);
}

void Server::remove_session(Session& session) {
  {
    std::lock_guard guard(sessions_mutex_);
    sessions_.erase(session.id);
  }
  if (const std::shared_ptr<Waiter> waiter = session.waiter) drop_waiter(*waiter);
  unwatch(session);
  pubsub.unsubscribe_all(session, nullptr);
  tracking.disable(session);
  remove_monitor(session);
}

void Server::for_each_session(const std::function<bool(Session&)>& visit) {
  std::lock_guard guard(sessions_mutex_);
  for (const auto& [id, session] : sessions_) {
    if (!visit(*session)) return;
  }
}

bool Server::with_session(uint64_t id, const std::function<void(Session&)>& use) {
  std::lock_guard guard(sessions_mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second->is_gone()) return false;
  use(*found->second);
  return true;
}

void Server::with_sessions(const std::function<void(const std::map<uint64_t, Session*>&)>& use) {
  std::lock_guard guard(sessions_mutex_);
  use(sessions_);
}

// --- waiting ------------------------------------------------------------------------------------

void Server::end_blocking(Waiter& waiter) {
  for (const OwnedKey& key : waiter.keys) {
    std::lock_guard guard(store.shard(key.shard));
    KeyTables& keyed = tables(key.shard);
    keyed.lines.leave(key.ref(), waiter.order);
  }
  count_blocked(-1);
}

void Server::drop_waiter(Waiter& waiter) {
  Waiter::State was;
  {
    // Whoever runs its command right now holds this.
    std::lock_guard guard(waiter.mutex);
    was = std::exchange(waiter.state, Waiter::State::kGone);
  }
  if (was != Waiter::State::kServed) end_blocking(waiter);
  if (was == Waiter::State::kWoken) wake_next(waiter);
}

// Who was to take what the keys hold has gone without it.
void Server::wake_next(const Waiter& gone) {
  for (const OwnedKey& key : gone.keys) {
    std::lock_guard guard(store.shard(key.shard));
    const KeyTables& keyed = tables(key.shard);
    const Line* const line = keyed.lines.find(key.ref());
    if (line == nullptr) continue;
    for (const auto& [order, waiter] : line->waiters) {
      std::lock_guard waiter_guard(waiter->mutex);
      if (waiter->state == Waiter::State::kWoken) break;
      if (waiter->state != Waiter::State::kWaiting) continue;
      waiter->state = Waiter::State::kWoken;
      waiter->woken_for = key;
      waiter->link->resume();
      break;
    }
  }
}

const TableEntry* Server::unblock(uint64_t id, bool with_error, Outbox& outbox) {
  std::shared_ptr<Waiter> waiter;
  with_session(id, [&](Session& session) {
    std::lock_guard guard(session.mutex);
    waiter = session.waiter;
  });
  if (waiter == nullptr || waiter->postponed || waiter->for_shutdown) return nullptr;
  const auto state = with_error ? Waiter::State::kUnblockedError : Waiter::State::kTimedOut;
  return end_wait(*waiter, state, &outbox) ? waiter->command : nullptr;
}

void Server::pause(PauseKind kind, int64_t until_ms) {
  std::lock_guard guard(pause_mutex_);
  until_ms = std::min(until_ms, kLatestPauseMs);
  if (paused(now_ms()) != PauseKind::kNone) {
    const Pause current = pause_.load();
    until_ms = std::max<int64_t>(until_ms, current.until_ms);
    kind = std::max<PauseKind>(kind, current.kind);
  }
  pause_.store({until_ms & kLatestPauseMs, kind});  // which only tells the compiler that it fits
}

void Server::unpause() {
  std::vector<std::weak_ptr<Waiter>> waiting;
  {
    std::lock_guard guard(pause_mutex_);
    pause_.store({0, PauseKind::kNone});
    waiting.swap(postponed_);
    next_sweep_ = 0;
  }
  for (const auto& weak : waiting) {
    if (const auto waiter = weak.lock()) end_wait(*waiter, Waiter::State::kTimedOut);
  }
}

bool Server::add_postponed(const std::shared_ptr<Waiter>& waiter) {
  std::lock_guard guard(pause_mutex_);
  if (paused(now_ms()) == PauseKind::kNone) return false;
  // Now and then, so that many who come one by one cost no more each.
  if (postponed_.size() >= next_sweep_) {
    std::erase_if(postponed_, [](const auto& weak) { return weak.expired(); });
    next_sweep_ = 2 * postponed_.size() + 16;
  }
  postponed_.push_back(waiter);
  deadlines.add(pause_.load().until_ms, waiter);
  return true;
}

// --- monitors -----------------------------------------------------------------------------------

void Server::add_monitor(Session& session) {
  std::lock_guard guard(monitors_mutex_);
  if (session.monitor) return;
  session.monitor = true;
  monitors_.push_back(&session);
  monitor_count_.store(monitors_.size(), std::memory_order_relaxed);
}

void Server::settle_tellers() {
  pubsub.settle();
  with_sessions([](const auto&) {});
  std::lock_guard guard(monitors_mutex_);
}

void Server::remove_monitor(Session& session) {
  if (!session.monitor) return;
  std::lock_guard guard(monitors_mutex_);
  session.monitor = false;
  std::erase(monitors_, &session);
  monitor_count_.store(monitors_.size(), std::memory_order_relaxed);
}

namespace {

// An argument between double quotes, with what is not printable in escapes.
void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        line += '\\';
        line += c;
        break;
      case '\n':
        line += "\\n";
        break;
      case '\r':
        line += "\\r";
        break;
      case '\t':
        line += "\\t";
        break;
      case '\a':
        line += "\\a";
        break;
      case '\b':
        line += "\\b";
        break;
      default:
        if (c >= 0x20 && c < 0x7f) {
          line += c;
        } else {
          line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  line += '"';
}

}  // namespace

void Server::feed_monitors(const Session& session, const Turn& turn,
                           std::span<const std::string_view> args) {
  const Peer& peer = session.peer;
  std::string line = fmt::format(
      "+{}.{:06} [{} {}]", turn.now_us() / 1'000'000, turn.now_us() % 1'000'000, session.db.get(),
      peer.unix_socket ? "unix:" + turn.config().unixsocket : peer.address);
  for (size_t i = 0; i < args.size(); ++i) {
    const std::vector<size_t>& redacted = turn.scratch.redacted;
    const bool hidden = std::find(redacted.begin(), redacted.end(), i) != redacted.end();
    line += ' ';
    append_quoted(line, hidden ? std::string_view("(redacted)") : args[i]);
  }
  line += "\r\n";
  std::lock_guard guard(monitors_mutex_);
  for (Session* monitor : monitors_) {
    // To Redis these are replies: who has been told the last one is sent none.
    if (monitor->replies_are_hidden() || monitor->close_after_reply) continue;
    monitor->link->push(line);
  }
}

// --- keys ---------------------------------------------------------------------------------------

namespace {

// active-expire-effort, in Redis's measures. A third one there, which share of stale keys may stay,
// has no meaning where all that are due are known.
size_t expire_at_once(const Config& config) {
  // Each key costs about a microsecond under the lock.
  constexpr size_t kLeastKeys = 64;
  return kLeastKeys + kLeastKeys / 4 * static_cast<size_t>(config.active_expire_effort - 1);
}
uint64_t expire_budget_ns(const Config& config) {
  const int percent = 25 + 2 * (config.active_expire_effort - 1);
  return uint64_t{1'000'000'000} / 100 * static_cast<uint64_t>(percent) /
         static_cast<uint64_t>(config.hz);
}

}  // namespace

bool Server::expire_cycle(uint32_t index, Turn& turn) {
  if (!active_expire.load(std::memory_order_relaxed) || paused(turn.now_ms()) != PauseKind::kNone) {
    return false;
  }
  store.shard(index).make_way();
  Scope scope(turn);
  scope.lock(index);
  engine::Shard& shard = scope.shard(index);
  const size_t at_once = expire_at_once(turn.config());
  size_t due = 0;
  const uint32_t databases = store.options().databases;
  for (uint32_t db = 0; db < databases && due < at_once; ++db) {
    if (shard.keydir(db).expiring() == 0) continue;
    if (!scope.reserve(0, engine::Growth::kShrinks).empty()) break;
    const auto expire = [&](std::string_view name, const engine::KeydirEntry&) {
      const OwnedKey key{std::string(name), shard.hash(name), index, db};
      scope.expire(key.ref());
      ++due;
    };
    // Redis's rule: a key goes when its time is past, not when it has come.
    shard.keydir(db).visit_due(turn.now_ms() - 1, at_once - due, expire);
  }
  return scope.end_command() == at_once;
}

// False if at `until_ns` it was too late for all that is due in the shard.
bool Server::expire_in_time(uint32_t shard, Turn& turn, uint64_t until_ns) {
  turn.begin();
  bool in_time = true;
  // A commit for every few slices: what is pending does not pile up, and a shard that is full of
  // expired keys does not pay a system call for each slice.
  for (int slice = 1; in_time && expire_cycle(shard, turn); ++slice) {
    if (slice % 16 == 0) commit(turn);
    turn.lap();
    in_time = CycleClock::system_ns() < until_ns && !is_stopping();
  }
  if (!turn.written.empty() || !turn.outbox.empty()) commit(turn);
  turn.touched.clear();
  return in_time;
}

// One shard after the other, until nothing is due or the round's time for it is over. Then the next
// round goes on behind the shard that took what was left.
void Server::expire_round(Turn& turn) {
  const uint64_t begin_ns = CycleClock::system_ns();
  const uint64_t until_ns = begin_ns + expire_budget_ns(turn.config());
  bool in_time = true;
  for (uint32_t i = 0; in_time && i < store.shard_count(); ++i) {
    in_time = expire_in_time(next_to_expire_, turn, until_ns);
    next_to_expire_ = (next_to_expire_ + 1) % store.shard_count();
  }
  if (!in_time) turn.stats.expiry_cut_short.add();
  turn.stats.expiry_ns.add(CycleClock::system_ns() - begin_ns);
}

bool Server::is_stopping() {
  std::lock_guard guard(maintenance_mutex_);
  return stopping_;
}

void Server::trim_tracking(Turn& turn, const Session* self) {
  // Enough for a command not to notice; the more there is to do the more commands come to do it.
  constexpr size_t kKeysAtOnce = 100;
  const uint64_t max_keys = turn.config().tracking_table_max_keys;
  const Tracking::Audience audience{turn.outbox.invalidations, self, &turn.own_invalidations,
                                    false};
  const uint32_t shards = store.shard_count();
  const auto first = static_cast<uint32_t>(turn.clock_ns() / 1000 % shards);
  for (uint32_t i = 0; i < shards && tracking.over(max_keys); ++i) {
    const uint32_t shard = (first + i) % shards;
    std::lock_guard guard(store.shard(shard));
    tracking.trim(tables(shard).tracked, max_keys, kKeysAtOnce / shards + 1, audience);
  }
}

void Server::maintain() {
  using namespace std::chrono_literals;
  constexpr uint64_t kSampleNs = 100'000'000;
  Turn turn(*this);
  uint64_t sampled_ns = 0;
  std::unique_lock lock(maintenance_mutex_);
  while (!stopping_) {
    maintenance_wake_.wait_for(lock, std::chrono::nanoseconds(1s) / turn.config().hz,
                               [this] { return stopping_; });
    if (stopping_) return;
    lock.unlock();
    const uint64_t now_ns = CycleClock::system_ns();
    if (now_ns - sampled_ns >= kSampleNs) {
      rates.sample(stats.sum(), now_ns);
      sampled_ns = now_ns;
    }
    used_memory();  // so that its peak is known
    turn.begin();
    tracking.free_flushed();
    trim_tracking(turn, nullptr);
    commit(turn);
    keep_bounds(turn);
    expire_round(turn);
    lock.lock();
  }
}

// Goes on with what commands have begun, and where there are none.
void Server::keep_bounds(Turn& turn) {
  const uint64_t clients_limit = client_memory_limit(turn.config());
  if (clients_limit != 0) evict_clients(*this, turn.stats, clients_limit, nullptr);
  if (turn.config().maxmemory == 0 && turn.config().maxdisk == 0) return;
  constexpr uint64_t kBudgetNs = 50'000'000;  // expiry has its turn too
  const uint64_t begin_ns = turn.clock_ns();
  if (turn.config().maxdisk != 0) usage.look_at_files();
  for (;;) {
    // Also where the files are above their bound, which no eviction changes at once.
    eviction.make_room(turn, nullptr);
    const bool evicted = !turn.written.empty();
    commit(turn);
    turn.lap();
    if (!evicted || turn.clock_ns() - begin_ns > kBudgetNs) return;
  }
}

// --- memory -------------------------------------------------------------------------------------

uint64_t Server::used_memory(uint64_t now_ns, uint64_t max_age_ns) {
  if (usage.refresh(now_ns, max_age_ns)) memory.set_keydirs(usage.mapped_bytes());
  return memory.used(now_ns, max_age_ns);
}

uint64_t Server::used_memory() {
  constexpr uint64_t kAgeNs = 100'000'000;
  const uint64_t now_ns = CycleClock::system_ns();
  return used_memory(now_ns, kAgeNs);
}

}  // namespace respcask::server
