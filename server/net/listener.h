// Listener: the sockets that the server listens on, and what happens to a client before it is one.
//
// Invariants: every accepted descriptor is handed to `accepted` or closed. When the process runs
// out of descriptors, accepting pauses and resumes by itself; clients wait in the kernel's queue.
// open() and close() of sockets are plain system calls and may be done by any thread; watch() and
// unwatch() run on the loop's thread. It owns its sockets.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/result.h"
#include "server/config/config.h"

namespace respcask::server {

struct ListeningSocket {
  int fd = -1;
  std::string unix_path;  // "": TCP
  std::string what;       // the beginning of an error of it
};

// Takes the TCP addresses that the configuration says to listen on; nobody can connect yet. An
// address may be missing after a '-', and IPv6 always, so there may be no socket at all. On an
// error, one sentence, nothing stays open.
engine::Result<std::vector<ListeningSocket>> bind_tcp_sockets(const Config& config);
// From now on clients can connect to these. The error is one sentence.
engine::Result<void> listen_on(const std::vector<ListeningSocket>& sockets, const Config& config);
// Both; and the same for the Unix socket.
engine::Result<std::vector<ListeningSocket>> open_tcp_sockets(const Config& config);
engine::Result<ListeningSocket> open_unix_socket(const Config& config);
// Closes a socket that is not watched.
void close_socket(const ListeningSocket& socket);

class Listener {
 public:
  using Accepted = std::function<void(int fd, bool unix_socket)>;
  Listener(uv_loop_t* loop, Accepted accepted);
  ~Listener();  // unwatched
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Begins to accept. Takes over the sockets.
  void watch(std::vector<ListeningSocket> sockets);
  // Stops accepting and closes the TCP sockets or all.
  enum class Which : uint8_t { kTcp, kAll };
  void unwatch(Which which);

 private:
  struct Watched;
  void accept_some(Watched& watched);
  void retry_soon();

  uv_loop_t* loop_;
  Accepted accepted_;
  std::vector<Watched*> watched_;  // deleted by the loop, once closed
  uv_timer_t* retry_;              // the same
  int64_t last_complaint_ms_ = 0;
};

}  // namespace respcask::server
