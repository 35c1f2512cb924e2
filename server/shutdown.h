// Shutdown: what lies between the wish to stop and the end of the server.
//
// A wish comes by SHUTDOWN or by a signal. Whoever runs the process is woken and asks prepare()
// whether it comes true. Until that has said yes the wish can be taken back, and it comes to
// nothing if the backup that it asks for cannot be made; then the server goes on, and the clients
// that wait for the end are told. If it comes true, their connections end with the process: who
// sees that may start another server on the store. There is one wish at a time; the later one
// replaces the earlier. Threads: prepare() is called by one thread, the rest by any; no shard may
// be locked.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace respcask::server {

class Server;

// NOSAVE and NOW are the rule here: nothing is kept in memory alone, and there are no replicas.
struct ShutdownWish {
  bool save = false;   // a backup first
  bool force = false;  // even if that fails
};
// From the value of shutdown-on-sigint or -sigterm.
ShutdownWish shutdown_wish(std::string_view words);

class Shutdown {
 public:
  explicit Shutdown(Server& server);

  // Makes whoever runs the process call prepare(); returns at once. At first request_shutdown().
  std::function<void()> wake;

  // SHUTDOWN of the client with that session id, which is about to be blocked.
  void ask(ShutdownWish wish, uint64_t client);
  // SHUTDOWN ABORT. False if there is nothing to take back, or it is too late.
  bool abort();
  // DEBUG PAUSE-CRON: while it is on, a signal's wish waits.
  void hold(bool on);

  // True: stop now, and nothing stops that any more. False: go on as before. `of_signal`: the wish
  // of the signal that woke the caller; without it what clients have asked for counts.
  bool prepare(std::optional<ShutdownWish> of_signal);

 private:
  void tell(const std::vector<uint64_t>& clients);
  void keep_connected(const std::vector<uint64_t>& clients);
  bool save();

  Server& server_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<ShutdownWish> wish_;
  uint64_t wishes_ = 0;  // grows with each wish that comes or goes
  std::vector<uint64_t> clients_;
  bool held_ = false;
  bool ends_ = false;
};

}  // namespace respcask::server
