#include "server/net/network.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "server/log.h"
#include "server/net/address.h"
#include "server/server.h"

namespace respcask::server {
namespace {

constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";
constexpr std::string_view kProtectedMode =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is "
    "set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Redis you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the "
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do "
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable "
    "the "
    "protected mode by editing the Redis configuration file, and setting the protected mode option "
    "to 'no', and then restarting the server. 3) If you started the server manually just for "
    "testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication "
    "password for the default user. NOTE: You only need to do one of the above things in order for "
    "the server to start accepting connections from the outside.\r\n";

void refuse(int fd, std::string_view reply) {
  // Whoever cannot take one line has not earned it.
  [[maybe_unused]] const ssize_t sent =
      ::send(fd, reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(fd);
}

void set_tcp_options(int fd, const Config& config) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (config.tcp_keepalive_s == 0) return;
  // A peer that is gone is found within twice the interval.
  const int idle_s = config.tcp_keepalive_s;
  const int interval_s = std::max(idle_s / 3, 1);
  const int probes = 3;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

engine::Error no_listening(const Config& config, const engine::Error& why) {
  return {why.code, fmt::format("Failed listening on port {}: {}", config.port, why.message)};
}

}  // namespace

Network::Network(Server& server) : server_(server) {
  const auto config = server.config.snapshot();
  for (int i = 0; i < config->io_threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, server, static_cast<uint32_t>(i)));
  }
  server.store.on_sync([this] {
    for (const auto& worker : workers_) worker->synced();
  });
}

Network::~Network() {
  server_.store.on_sync({});
  for (const ListeningSocket& socket : opened_) close_socket(socket);
}

// Raises the limit of open files for maxclients, or lowers maxclients to what the limit allows.
engine::Result<void> Network::fit_maxclients() {
  const auto config = server_.config.snapshot();
  const OtherFiles others = other_files(*config);
  const uint64_t wanted = config->maxclients + others.needed + others.segments;
  const FileShares shares = raise_and_share_files(config->maxclients, others);
  server_.store.limit_segments(shares.segments);
  // Not all may have been joined that were to be.
  const uint64_t taken = others.needed + segments_;
  const uint64_t possible = std::min(shares.clients, shares.files - std::min(shares.files, taken));
  if (possible == 0) {
    return engine::Error{
        engine::ErrorCode::kInvalid,
        fmt::format("The limit of open files is {}, of which {} are needed for other things than "
                    "clients: raise it (ulimit -n).",
                    shares.files, taken)};
  }
  if (possible >= config->maxclients) return {};
  const std::string lowered = std::to_string(possible);
  log_warning("maxclients {} needs {} open files, but the limit is {}: maxclients is now {}.",
              config->maxclients, wanted, shares.files, lowered);
  const std::string_view words[] = {"maxclients", lowered};
  if (const auto refused = server_.config.set(words)) {
    return engine::Error{engine::ErrorCode::kInvalid, *refused};
  }
  return {};
}

OtherFiles Network::other_files(const Config& config) const {
  return server::other_files(config.io_threads, server_.store.shard_count(), segments_);
}

engine::Result<std::vector<ListeningSocket>> Network::bind(const Config& config) {
  auto sockets = bind_tcp_sockets(config);
  if (!sockets) return no_listening(config, sockets.error());
  if (sockets->empty() && config.unixsocket.empty()) {
    return engine::Error{engine::ErrorCode::kInvalid,
                         "Configured to not listen anywhere, exiting."};
  }
  return sockets;
}

engine::Result<void> Network::open(std::vector<ListeningSocket> bound) {
  opened_ = std::move(bound);
  segments_ = server_.store.segments();
  if (auto fitted = fit_maxclients(); !fitted) return fitted;
  for (const auto& worker : workers_) {
    if (auto made = worker->open(); !made) return made;
  }
  const auto config = server_.config.snapshot();
  server_.config.on_change({"maxclients"}, [this](const Config&, const Config& to) {
    const OtherFiles others = other_files(to);
    const FileShares shares = raise_and_share_files(to.maxclients, others);
    std::optional<std::string> refused;
    if (shares.clients < to.maxclients) {
      refused = fmt::format(
          "The operating system is not able to handle the specified number of clients, try with {}",
          shares.clients);
    } else {
      server_.store.limit_segments(shares.segments);
    }
    return refused;
  });
  // Each has its own complaint; whoever sets both at once has them applied by the first.
  port_ = config->port;
  bind_ = config->bind;
  server_.config.on_change({"port"}, [this](const Config&, const Config& to) {
    return rebind(to, "Unable to listen on this port. Check server logs.");
  });
  server_.config.on_change({"bind"}, [this](const Config&, const Config& to) {
    return rebind(to, "Failed to bind to specified addresses.");
  });

  if (auto listening = listen_on(opened_, *config); !listening) {
    return no_listening(*config, listening.error());
  }
  if (!config->unixsocket.empty()) {
    auto socket = open_unix_socket(*config);
    if (!socket) return socket.error();
    opened_.push_back(*socket);
  }
  return {};
}

engine::Result<void> Network::start() {
  started_ = true;
  for (const auto& worker : workers_) {
    if (auto started = worker->start(); !started) return started;
  }
  std::lock_guard guard(listening_mutex_);
  listening_ = opened_;
  workers_.front()->post([this, sockets = std::exchange(opened_, {})] {
    listener_ = std::make_unique<Listener>(
        workers_.front()->loop(), [this](int fd, bool unix_socket) { accepted(fd, unix_socket); });
    listener_->watch(sockets);
  });
  return {};
}

void Network::stop() {
  if (!started_) return;
  started_ = false;
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
}

void Network::loop_ends(Worker& worker) {
  if (worker.index() == 0 && listener_ != nullptr) listener_->unwatch(Listener::Which::kAll);
}

void Network::accepted(int fd, bool unix_socket) {
  Worker& first = *workers_.front();
  first.enter();
  const Config& config = first.config();
  if (connections_.load(std::memory_order_relaxed) >= config.maxclients) {
    first.turn().stats.rejected_connections.add();
    refuse(fd, kTooManyClients);
    return;
  }
  if (!unix_socket) {
    if (config.protected_mode && server_.users.default_user()->nopass &&
        !peer_of(fd, false).local) {
      first.turn().stats.rejected_connections.add();
      refuse(fd, kProtectedMode);
      return;
    }
    set_tcp_options(fd, config);
  }
  connections_.fetch_add(1, std::memory_order_relaxed);
  workers_[next_worker_++ % workers_.size()]->adopt(fd, unix_socket);
}

// CONFIG SET port, bind: on the thread of whoever asked, and at once, so that it can be refused. It
// must not wait for the first loop, which may be waiting to SET something itself.
std::optional<std::string> Network::rebind(const Config& to, std::string_view complaint) {
  std::lock_guard guard(listening_mutex_);
  if (to.port == port_ && to.bind == bind_) return std::nullopt;
  // Shut down, a socket keeps its address but allows it to others, and it can listen again. Nobody
  // gets in by it from then on, even if the loop closes it later.
  auto sockets = open_tcp_sockets(to);
  for (const ListeningSocket& old : listening_) {
    if (old.unix_path.empty()) ::shutdown(old.fd, SHUT_RDWR);
  }
  if (!sockets) sockets = open_tcp_sockets(to);  // perhaps only the old ones were in the way
  if (!sockets) {
    for (const ListeningSocket& old : listening_) {
      if (old.unix_path.empty()) ::listen(old.fd, to.tcp_backlog);
    }
    log_warning("{}", sockets.error().message);
    return std::string(complaint);
  }
  std::erase_if(listening_, [](const ListeningSocket& old) { return old.unix_path.empty(); });
  listening_.insert(listening_.end(), sockets->begin(), sockets->end());
  port_ = to.port;
  bind_ = to.bind;
  workers_.front()->post([this, sockets = std::move(*sockets)] {
    listener_->unwatch(Listener::Which::kTcp);
    listener_->watch(sockets);
  });
  return std::nullopt;
}

}  // namespace respcask::server
