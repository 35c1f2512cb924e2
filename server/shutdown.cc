#include "server/shutdown.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "server/blocking.h"
#include "server/config/table.h"
#include "server/log.h"
#include "server/process.h"
#include "server/server.h"

namespace respcask::server {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRefusal = "ERR Errors trying to SHUTDOWN. Check logs.";

}  // namespace

ShutdownWish shutdown_wish(std::string_view words) {
  const std::vector<std::string> set = split_on_spaces(words);
  const auto has = [&](std::string_view word) { return std::ranges::find(set, word) != set.end(); };
  return {.save = has("save"), .force = has("force")};
}

Shutdown::Shutdown(Server& server) : wake(request_shutdown), server_(server) {}

void Shutdown::ask(ShutdownWish wish, uint64_t client) {
  {
    std::lock_guard guard(mutex_);
    wish_ = wish;
    ++wishes_;
    clients_.push_back(client);
  }
  changed_.notify_all();
  wake();
}

bool Shutdown::abort() {
  std::vector<uint64_t> clients;
  {
    std::lock_guard guard(mutex_);
    if (!wish_ || ends_) return false;
    wish_.reset();
    ++wishes_;
    clients = std::exchange(clients_, {});
  }
  changed_.notify_all();
  log_notice("Shutdown manually aborted.");
  tell(clients);
  return true;
}

void Shutdown::hold(bool on) {
  {
    std::lock_guard guard(mutex_);
    held_ = on;
  }
  changed_.notify_all();
}

bool Shutdown::prepare(std::optional<ShutdownWish> of_signal) {
  std::unique_lock lock(mutex_);
  if (!wish_ && of_signal) {
    wish_ = of_signal;
    ++wishes_;
    changed_.wait(lock, [this] { return !held_ || !wish_ || !clients_.empty(); });
  }
  while (wish_) {
    const ShutdownWish wish = *wish_;
    const uint64_t number = wishes_;
    lock.unlock();
    log_warning("User requested shutdown...");
    const bool saved = !wish.save || save();
    lock.lock();
    if (wishes_ != number) continue;  // taken back meanwhile, or another has come
    if (saved || wish.force) {
      if (!saved) log_warning("Error trying to save the DB. Exit anyway.");
      ends_ = true;
      const std::vector<uint64_t> clients = std::exchange(clients_, {});
      lock.unlock();
      keep_connected(clients);
      return true;
    }
    log_warning("Error trying to save the DB, can't exit.");
    log_warning("Errors trying to shut down the server. Check the logs for more information.");
    wish_.reset();
    const std::vector<uint64_t> clients = std::exchange(clients_, {});
    lock.unlock();
    tell(clients);
    return false;
  }
  return false;
}

// By second descriptors, which the end of the process closes.
void Shutdown::keep_connected(const std::vector<uint64_t>& clients) {
  for (const uint64_t client : clients) {
    server_.with_session(
        client, [](const Session& session) { (void)::fcntl(session.peer.fd, F_DUPFD_CLOEXEC, 0); });
  }
}

bool Shutdown::save() {
  log_notice("Making a backup before exiting.");
  for (;;) {
    if (const auto saved = server_.saving.save()) return bool(*saved);
    std::this_thread::sleep_for(10ms);  // until the save that runs has ended
  }
}

// A client that has asked a moment ago may not be blocked yet: its loop is on the way to that.
void Shutdown::tell(const std::vector<uint64_t>& clients) {
  for (const uint64_t client : clients) {
    std::shared_ptr<Waiter> waiter;
    bool gave_up = false;
    const auto find = [&](Session& session) {
      std::lock_guard guard(session.mutex);
      waiter = session.waiter;
      gave_up = session.gave_up;
    };
    while (server_.with_session(client, find) && waiter == nullptr && !gave_up)
      std::this_thread::sleep_for(1ms);
    if (waiter != nullptr) refuse_wait(*waiter, kRefusal);
  }
}

}  // namespace respcask::server
