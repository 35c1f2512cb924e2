#include "server/session.h"

#include <ctime>
#include <utility>

#include "engine/hash.h"
#include "server/identity.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/transaction.h"

namespace respcask::server {
namespace {

int64_t unix_ms() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

}  // namespace

Session::Session(Server& owner, Carrier& by, Peer from)
    : server(owner),
      carrier(by),
      link(std::make_shared<Link>(by)),
      id(owner.take_session_id()),
      peer(std::move(from)),
      created_ms(unix_ms()),
      random_state(engine::HashSeed::random().k0) {
  last_active_ms = created_ms;
  user = owner.users.default_user();
  server.add_session(*this);
  become_default_user(*this);
}

std::atomic<uint64_t> Session::gone_{0};

Session::~Session() {
  link->sever();
  server.remove_session(*this);
  if (is_gone()) gone_.fetch_sub(1, std::memory_order_acq_rel);
}

void Session::mark_gone() {
  // Counted before anybody can see it.
  gone_.fetch_add(1, std::memory_order_acq_rel);
  if (access.exchange(Access::kGone) == Access::kGone)
    gone_.fetch_sub(1, std::memory_order_acq_rel);
}

void Session::reset(const Outbox& outbox) {
  discard_transaction(*this);
  transaction = nullptr;
  server.pubsub.unsubscribe_all(*this, &outbox);
  server.tracking.disable(*this);
  server.remove_monitor(*this);
  db = 0;
  protocol = 2;
  // One that a SKIP has silenced stays so, as in Redis.
  if (reply_mode != ReplyMode::kSkipping) reply_mode = ReplyMode::kOn;
  set_name("");
  become_default_user(*this);
}

void Session::set_name(std::string_view new_name) {
  std::lock_guard guard(mutex);
  name = new_name;
}

void Session::set_user(std::shared_ptr<const acl::User> new_user) {
  std::lock_guard guard(mutex);
  user = std::move(new_user);
}

std::string Session::user_name() const {
  std::lock_guard guard(mutex);
  return user->name;
}

void Session::mark_stale() {
  Access known = access;
  while (known != Access::kGone && !access.compare_exchange_weak(known, Access::kStale)) {
  }
}

bool Session::stop_waiting() {
  {
    std::lock_guard guard(waiter->mutex);
    if (waiter->state != Waiter::State::kWaiting) return false;
    waiter->state = Waiter::State::kGone;
  }
  server.end_blocking(*waiter);
  std::lock_guard guard(mutex);
  waiter = nullptr;
  blocked_shown = false;
  gave_up = true;
  return true;
}

void Session::set_watch(std::shared_ptr<Watch> new_watch) {
  std::lock_guard guard(mutex);
  watch = std::move(new_watch);
}

void Session::set_waiter(std::shared_ptr<Waiter> new_waiter) {
  std::lock_guard guard(mutex);
  waiter = std::move(new_waiter);
  blocked_shown = waiter != nullptr;
}

}  // namespace respcask::server
