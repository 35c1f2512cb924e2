#include "server/dispatch.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "server/client_info.h"
#include "server/crash_log.h"
#include "server/execution.h"
#include "server/identity.h"
#include "server/look_ahead.h"
#include "server/request.h"

namespace respcask::server {

Outcome Request::run() {
  reply_.set_protocol(session_.protocol);
  if (session_.waiter != nullptr) {
    bool run_again = false;
    const Outcome outcome = continue_waiting(run_again);
    if (!run_again) return outcome;
  }
  if (session_.parked != nullptr) {
    if (session_.parked->missing.load(std::memory_order_acquire) != 0) return Outcome::kParked;
    command_ = server_.commands.find(args_);
    return run_command();
  }
  // A blocked command was checked when it came.
  if (session_.waiter != nullptr) return run_command();
  return process();
}

// The checks stand in the order of Redis 7.0, since each decides which error a client sees first.
Outcome Request::process() {
  session_.last_active_ms = turn_.now_ms();
  const bool is_known = known();
  session_.last_command = command_;
  if (!is_known || !arity_fits()) return done();
  crash_command = command_->full_name.c_str();
  const bool may_all = session_.has_full_access();
  if (!may_all && current_access(session_) == Access::kGone) return Outcome::kClose;
  if (!allowed_by_configuration() || !(may_all || authenticated()) || !allowed_in_multi() ||
      !(may_all || permitted())) {
    return done();
  }
  trim_tracking();
  if (!memory_suffices() || !replicas_suffice() || !allowed_in_pubsub() || !allowed_to_monitor()) {
    return done();
  }
  if (must_wait_for_pause()) {
    if (postpone()) return Outcome::kBlocked;
    pause_is_over_ = true;
  }
  if (in_multi() && (command_->flags & kMultiNow) == 0) {
    queue();
    return done();
  }
  return run_command();
}

void Request::queue() {
  reply_.simple_string("QUEUED");
  TransactionState& transaction = *session_.transaction;
  if (transaction.aborted || is_undone(session_)) return;  // as EXEC will run nothing
  transaction.queue.push_back(QueuedCommand(*command_, args_));
  transaction.flags |= command_->flags;
  session_.queued_commands = static_cast<int>(transaction.queue.size());
  // As Redis counts them: each argument, and a pointer to it.
  session_.queued_bytes += transaction.queue.back().bytes.size() + args_.size() * sizeof(void*);
}

bool Request::must_wait_for_pause() const {
  if (session_.monitor) return false;
  switch (server_.paused(turn_.now_ms())) {
    case PauseKind::kNone:
      return false;
    case PauseKind::kAll:
      return true;
    case PauseKind::kWrite:
      return (flags() & (kWrite | kMayReplicate)) != 0;
  }
  return false;
}

// False: the pause has ended in the meantime. It is not asked about again: the turn's clock, by
// which must_wait_for_pause() goes, may not have come that far.
bool Request::postpone() {
  auto waiter = std::make_shared<Waiter>();
  waiter->session = &session_;
  waiter->link = session_.link;
  waiter->postponed = true;
  session_.set_waiter(waiter);
  if (!server_.add_postponed(waiter)) {
    session_.set_waiter(nullptr);
    return false;
  }
  server_.count_blocked(1);
  return true;
}

// A blocked session's carrier was resumed. Says what came of the wait, or that the command is to be
// run (again).
Outcome Request::continue_waiting(bool& run_again) {
  const std::shared_ptr<Waiter> waiter = session_.waiter;
  Waiter::State state;
  {
    std::lock_guard guard(waiter->mutex);
    state = waiter->state;
  }
  if (state == Waiter::State::kWaiting) return Outcome::kBlocked;
  command_ = waiter->command;
  if (waiter->postponed) {
    session_.set_waiter(nullptr);
    server_.count_blocked(-1);
    run_again = true;
    return Outcome::kDone;
  }
  switch (state) {
    case Waiter::State::kWoken:
      run_again = true;
      return Outcome::kDone;
    case Waiter::State::kServed:
      turn_.touched.add(waiter->touched);
      turn_.written.add(waiter->touched);
      reply_.raw(waiter->reply);
      turn_.own_pushes = std::move(waiter->told_behind);
      break;
    default:
      server_.end_blocking(*waiter);
      if (state == Waiter::State::kUnblockedError) {
        write_wait_error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
      } else if (state == Waiter::State::kRefused) {
        write_wait_error(waiter->reply);
      } else {
        write_timeout(waiter->timeout_reply, reply_);
      }
  }
  session_.set_waiter(nullptr);
  return done();
}

void Request::write_wait_error(std::string_view text) {
  turn_.stats.error_replies.add();
  turn_.new_errors();
  server_.stats.count_error(text.substr(0, text.find(' ')));
  reply_.error(text);
}

engine::ShardSet Request::shards_to_lock() const {
  if (!is_exec()) return find_shards(turn_, session_, *command_, args_);
  return in_multi() ? transaction_shards(turn_, session_) : engine::ShardSet{};
}

// Locks these, and for what writes those of all who wait for the keys: they are served before
// anybody else may look. Locks are taken in ascending order only, so for more than there are all
// are let go of; nothing has changed yet.
void Request::lock(Scope& scope, const engine::ShardSet& shards) {
  engine::ShardSet all = shards;
  for (;;) {
    scope.lock(all, shards);
    if ((flags() & kWrite) == 0) return;
    const engine::ShardSet needed = shards_of_waiters(scope);
    if (all.contains(needed)) return;
    scope.release();
    all.add(needed);
  }
}

engine::ShardSet Request::shards_of_waiters(Scope& scope) const {
  engine::ShardSet shards;
  // A transaction has many keys, these two may write in another database, and what is moved to
  // another key may be moved on from there.
  bool any_key = is_exec();
  for (const KeyRef& key : turn_.scratch.keys) {
    if (any_key) break;
    const Lines& lines = scope.tables(key.shard).lines;
    if (lines.empty()) continue;
    if (const Line* const line = lines.find(key)) {
      shards.add(line->shards);
      any_key = line->moves;
    }
    any_key |= command_->row->name == "move" || command_->row->name == "copy";
  }
  if (!any_key) return shards;
  for (const uint32_t index : scope.locked()) shards.add(scope.tables(index).lines.shards());
  return shards;
}

// Users were changed after the command was checked, or clients were paused. Asked under its locks:
// whoever did it has made his mark before he is told that it is done, so a command that finds none
// here comes before whatever he does next. One that had blocked was checked when it came, as in
// Redis.
bool Request::checks_are_old() const {
  const Access access = session_.access;
  if (access == Access::kGone) return true;
  if (session_.waiter != nullptr) return false;
  return access == Access::kStale || (!pause_is_over_ && must_wait_for_pause());
}

Outcome Request::check_again(Scope& scope) {
  scope.release();
  session_.parked = nullptr;
  return session_.access == Access::kGone ? Outcome::kClose : process();
}

Outcome Request::run_command() {
  Scope scope(turn_);
  if (const engine::ShardSet shards = shards_to_lock(); !shards.empty()) {
    lock(scope, shards);
    if (checks_are_old()) return check_again(scope);
  }
  if (const auto& keys = turn_.scratch.keys;
      keys.size() > 1 && !is_exec() && LookAhead::pays(server_)) {
    load_keys(server_, keys, (command_->flags & kReadonly) != 0);
  }
  scope.fetched = session_.parked.get();
  scope.resumed = session_.waiter != nullptr;
  if (scope.resumed && session_.waiter->woken_for) {
    scope.woken_for = &*session_.waiter->woken_for;
  }

  // A write that the disk has no room for is refused before anything changes. Handlers that lock
  // shards themselves reserve there.
  if ((flags() & kWrite) != 0) {
    const engine::Growth growth = growth_of(flags());
    const std::string_view refusal =
        is_exec() ? reserve(scope, turn_, session_, session_.transaction->queue, growth)
                  : reserve(scope, turn_, *command_, args_, growth);
    if (!refusal.empty()) {
      // The shards of what it watches are locked.
      if (is_exec()) unwatch(session_, scope);
      reject(refusal);
      session_.parked = nullptr;
      scope.fetched = nullptr;
      return finish_run(scope);
    }
  }
  const Ran ran = execute(scope, turn_, session_, *command_, args_, reply_);
  scope.woken_for = nullptr;
  if (ran == Ran::kCold) return park(scope);
  session_.parked = nullptr;
  scope.fetched = nullptr;
  if (ran == Ran::kBlocked) return block(scope);
  return finish_run(scope);
}

// The command has been answered.
Outcome Request::finish_run(Scope& scope) {
  if (session_.waiter != nullptr) served_after_waking(scope);
  scope.end_command();
  scope.finish();
  if (scope.has_ready()) serve_ready(scope, turn_);
  scope.release();
  if (scope.hides_replies) reply_begin_ = reply_.size();
  if (std::exchange(turn_.bounds_are_new, false)) server_.eviction.make_room(turn_, nullptr);
  return done();
}

// The values that the command met and that are not in memory are fetched by the readers.
Outcome Request::park(Scope& scope) {
  write_own_pushes();
  std::shared_ptr<Parked> parked = scope.take_cold(session_.parked.get());
  scope.fetched = nullptr;
  scope.release();
  turn_.stats.parked.add();
  session_.parked = parked;
  server_.readers.add(turn_.fetches, std::move(parked), session_.link);
  // So many that the first are read while the turn goes on.
  constexpr size_t kFullBatch = 16;
  if (turn_.fetches.size() >= kFullBatch) turn_.reader->submit(turn_.fetches);
  return Outcome::kParked;
}

Outcome Request::block(Scope& scope) {
  scope.end_command();
  scope.finish();
  write_own_pushes();
  if (session_.waiter != nullptr) {
    // Woken in vain: it keeps its place and its deadline, and those behind it have their turn.
    const std::shared_ptr<Waiter> waiter = session_.waiter;
    scope.block.reset();
    {
      std::lock_guard guard(waiter->mutex);
      waiter->state = Waiter::State::kWaiting;
    }
    for (const OwnedKey& key : waiter->keys) scope.signal(key.ref(), waiter->order);
    if (scope.has_ready()) serve_ready(scope, turn_);
    scope.release();
    if (waiter->deadline_ms != 0) server_.deadlines.add(waiter->deadline_ms, waiter);
    return Outcome::kBlocked;
  }
  std::shared_ptr<Waiter> waiter = std::move(scope.block);
  waiter->order = server_.next_order();
  waiter->session = &session_;
  waiter->link = session_.link;
  waiter->command = command_;
  waiter->set_arguments(args_);
  for (const OwnedKey& key : waiter->keys) {
    scope.tables(key.shard).lines.join(key, waiter, (command_->flags & kDenyOom) != 0);
  }
  session_.set_waiter(waiter);
  server_.count_blocked(1);
  show_monitors(scope, turn_, session_, *command_, args_);
  scope.release();
  if (waiter->deadline_ms != 0) server_.deadlines.add(waiter->deadline_ms, waiter);
  return Outcome::kBlocked;
}

// A blocked command that its own loop had to run is answered: it leaves its lines, and those who
// waited behind it have their turn.
void Request::served_after_waking(Scope& scope) {
  const std::shared_ptr<Waiter> waiter = session_.waiter;
  session_.set_waiter(nullptr);
  leave_lines(scope, *waiter);
  server_.count_blocked(-1);
  for (const OwnedKey& key : waiter->keys) scope.signal(key.ref());
}

// CLIENT CACHING counts for the next command, or transaction.
void Request::end_caching() {
  const bool is_client =
      command_ != nullptr && command_->parent != nullptr && command_->parent->row->name == "client";
  if (!is_client && !in_multi()) session_.tracking.fetch_and(~uint32_t{kTracksCaching});
}

// No reply: CLIENT REPLY does not hold it back.
void Request::write_own_pushes() {
  if (turn_.own_pushes.empty() && turn_.own_invalidations.empty()) return;
  reply_.raw(turn_.own_pushes);
  if (session_.protocol == 3) reply_.raw(turn_.own_invalidations);
  turn_.own_pushes.clear();
  turn_.own_invalidations.clear();
  reply_begin_ = reply_.size();
}

Outcome Request::done() {
  // CLIENT REPLY OFF and SKIP: the command ran, its reply is not sent.
  switch (session_.reply_mode.get()) {
    case ReplyMode::kOn:
      break;
    case ReplyMode::kOff:
      reply_.truncate(reply_begin_);
      break;
    case ReplyMode::kSkipNext:
      session_.reply_mode = ReplyMode::kSkipping;
      break;
    case ReplyMode::kSkipping:
      reply_.truncate(reply_begin_);
      session_.reply_mode = ReplyMode::kOn;
      break;
  }
  write_own_pushes();
  if ((session_.tracking.load(std::memory_order_relaxed) & kTracksCaching) != 0) end_caching();
  if (over_output_limit()) return Outcome::kCutOff;
  return session_.close_after_reply ? Outcome::kClose : Outcome::kDone;
}

// As in Redis, nothing is sent of replies that pass the hard limit of the client's class. The first
// part of a reply does not count there.
bool Request::over_output_limit() const {
  constexpr size_t kUncountedBytes = 16 << 10;
  const size_t size = reply_.size_with_lent();
  if (size <= kUncountedBytes) return false;
  const uint64_t limit = output_limit(turn_.config(), session_).hard_bytes;
  return limit != 0 && size >= limit;
}

Outcome dispatch(Session& session, Turn& turn, std::span<const std::string_view> args,
                 resp::Writer& reply) {
  assert(!args.empty());
  return Request(session, turn, args, reply).run();
}

void dispatch_empty(Session& session) {
  if (session.reply_mode.get() == ReplyMode::kSkipping) session.reply_mode = ReplyMode::kOn;
  const bool in_multi = session.transaction && session.transaction->in_multi;
  if (!in_multi) session.tracking.fetch_and(~uint32_t{kTracksCaching});
}

}  // namespace respcask::server
