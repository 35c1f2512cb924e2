// Network: the loops and the listening sockets of a server, as main sees them.
//
// Order of a life: bind() (before the store is opened), construct, open() (so that errors come
// before anything runs), start(), stop(). These are called by main; connection_closed() and
// loop_ends() by workers. It owns workers and listener; the server outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"
#include "server/net/listener.h"
#include "server/net/worker.h"
#include "server/open_files.h"

namespace respcask::server {

class Server;

class Network {
 public:
  explicit Network(Server& server);
  ~Network();  // stopped, or never started
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // Takes the TCP addresses, before there is anything else: then a port that is taken is found
  // before much has been done. The error is one sentence.
  static engine::Result<std::vector<ListeningSocket>> bind(const Config& config);
  // Raises the limit of open files for maxclients, or lowers maxclients to what the limit allows;
  // takes over what bind() has given, and listens there and on the Unix socket. The error is one
  // sentence.
  engine::Result<void> open(std::vector<ListeningSocket> bound);
  // Starts the loops and begins to accept. kIo if there are no threads for them; then it is to be
  // stopped.
  engine::Result<void> start();
  // Closes the listening sockets and all connections, ends the loops. Replies whose commit is done
  // have been handed to the kernel.
  void stop();

  // --- for workers -----------------------------------------------------------------------------
  void connection_closed() { connections_.fetch_sub(1, std::memory_order_relaxed); }
  // The worker's loop is closing its handles: on its thread.
  void loop_ends(Worker& worker);

 private:
  engine::Result<void> fit_maxclients();
  OtherFiles other_files(const Config& config) const;
  void accepted(int fd, bool unix_socket);
  // Does nothing where it listens as `to` has it. Returns `complaint` when it cannot.
  std::optional<std::string> rebind(const Config& to, std::string_view complaint);

  Server& server_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Listener> listener_;   // on the first worker's loop
  std::vector<ListeningSocket> opened_;  // between open() and start()
  size_t next_worker_ = 0;
  bool started_ = false;
  uint64_t segments_ = 0;  // of the store, when it was opened
  std::atomic<uint32_t> connections_{0};
  std::mutex listening_mutex_;
  std::vector<ListeningSocket> listening_;  // what the listener watches, or is about to
  int port_ = 0;                            // of these, and
  std::vector<std::string> bind_;           // what `bind` said of them
};

}  // namespace respcask::server
