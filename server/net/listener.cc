#include "server/net/listener.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "server/log.h"

namespace respcask::server {
namespace {

// Accepted in one go before other sockets have their turn.
constexpr int kAcceptsAtOnce = 1000;
constexpr uint64_t kRetryMs = 100;
constexpr int64_t kComplaintMs = 1000;

engine::Error failed(const std::string& what, int error) {
  return {engine::ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(error))};
}

// The machine has nothing of that kind: as Redis sees it, nobody can mean to insist on it.
bool unsupported(int error) {
  return error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT ||
         error == EPFNOSUPPORT || error == ENOPROTOOPT;
}

int fail_with_errno(int fd) {
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

// -1 and errno.
int bind_tcp(const addrinfo& address) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (address.ai_family == AF_INET6) {
    // An IPv4 address is listened on by itself.
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  }
  if (::bind(fd, address.ai_addr, address.ai_addrlen) != 0) return fail_with_errno(fd);
  return fd;
}

// One `bind` entry, its leading '-' removed.
engine::Result<ListeningSocket> bind_address(const std::string& name, const Config& config,
                                             int& error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  // A host name means its IPv4 address, as in Redis.
  hints.ai_family = name.find(':') == name.npos ? AF_INET : AF_INET6;
  const char* const node = name == "*" || name == "::*" ? nullptr : name.c_str();
  addrinfo* found = nullptr;
  const std::string port = std::to_string(config.port);
  const auto what = fmt::format("Could not create server TCP listening socket {}:{}", name, port);
  if (const int status = ::getaddrinfo(node, port.c_str(), &hints, &found); status != 0) {
    error = EINVAL;  // a name that is wrong is no address that is missing
    return engine::Error{engine::ErrorCode::kInvalid,
                         fmt::format("{}: {}", what, ::gai_strerror(status))};
  }
  int fd = -1;
  for (const addrinfo* address = found; address != nullptr && fd < 0; address = address->ai_next) {
    fd = bind_tcp(*address);
    if (fd < 0) error = errno;
  }
  ::freeaddrinfo(found);
  if (fd < 0) return failed(what, error);
  return ListeningSocket{fd, "", what};
}

// Whether one of these has the same address. To bind it twice is possible, to listen on it is not.
bool is_taken_by(const ListeningSocket& socket, const std::vector<ListeningSocket>& others) {
  const auto address_of = [](const ListeningSocket& of) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(of.fd, reinterpret_cast<sockaddr*>(&address), &size);
    return std::string(reinterpret_cast<const char*>(&address), size);
  };
  return std::any_of(others.begin(), others.end(), [&](const ListeningSocket& other) {
    return address_of(other) == address_of(socket);
  });
}

}  // namespace

engine::Result<std::vector<ListeningSocket>> bind_tcp_sockets(const Config& config) {
  std::vector<ListeningSocket> sockets;
  if (config.port == 0) return sockets;
  for (const std::string& entry : config.bind) {
    const bool optional = entry.starts_with('-');
    int error = 0;
    auto socket = bind_address(optional ? entry.substr(1) : entry, config, error);
    if (socket && is_taken_by(*socket, sockets)) {
      close_socket(*socket);
      error = EADDRINUSE;
      socket = failed(socket->what, error);
    }
    if (socket) {
      sockets.push_back(*socket);
      continue;
    }
    if (unsupported(error) || (optional && error == EADDRNOTAVAIL)) {
      log_notice("{}: going on without it", socket.error().message);
      continue;
    }
    for (const ListeningSocket& open : sockets) close_socket(open);
    return socket.error();
  }
  return sockets;
}

engine::Result<void> listen_on(const std::vector<ListeningSocket>& sockets, const Config& config) {
  for (const ListeningSocket& socket : sockets) {
    // Between the two another process may have bound the same address, and listened first.
    if (::listen(socket.fd, config.tcp_backlog) != 0) return failed(socket.what, errno);
  }
  return {};
}

engine::Result<std::vector<ListeningSocket>> open_tcp_sockets(const Config& config) {
  auto sockets = bind_tcp_sockets(config);
  if (!sockets) return sockets;
  if (auto listening = listen_on(*sockets, config); !listening) {
    for (const ListeningSocket& open : *sockets) close_socket(open);
    return listening.error();
  }
  return sockets;
}

engine::Result<ListeningSocket> open_unix_socket(const Config& config) {
  const std::string path = config.in_dir(config.unixsocket);
  const auto what = fmt::format("Could not create server Unix socket {}", path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failed(what, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(what, errno);
  ::unlink(path.c_str());  // what an earlier run has left
  const bool open = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    (config.unixsocketperm == 0 ||
                     ::chmod(path.c_str(), static_cast<mode_t>(config.unixsocketperm)) == 0) &&
                    ::listen(fd, config.tcp_backlog) == 0;
  if (!open) {
    fail_with_errno(fd);
    return failed(what, errno);
  }
  return ListeningSocket{fd, path, ""};
}

void close_socket(const ListeningSocket& socket) {
  ::close(socket.fd);
  if (!socket.unix_path.empty()) ::unlink(socket.unix_path.c_str());
}

// --- accepting ---------------------------------------------------------------------------------

struct Listener::Watched {
  Listener* listener;
  ListeningSocket socket;
  uv_poll_t poll;

  void start() {
    uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
      auto* const self = static_cast<Watched*>(handle->data);
      self->listener->accept_some(*self);
    });
  }
};

Listener::Listener(uv_loop_t* loop, Accepted accepted)
    : loop_(loop), accepted_(std::move(accepted)), retry_(new uv_timer_t) {
  uv_timer_init(loop_, retry_);
  retry_->data = this;
}

Listener::~Listener() {
  assert(watched_.empty() && retry_ == nullptr);
}

void Listener::watch(std::vector<ListeningSocket> sockets) {
  for (ListeningSocket& socket : sockets) {
    auto* const watched = new Watched{this, std::move(socket), {}};
    const int status = uv_poll_init(loop_, &watched->poll, watched->socket.fd);
    assert(status == 0);
    watched->poll.data = watched;
    watched->start();
    watched_.push_back(watched);
  }
}

void Listener::unwatch(Which which) {
  std::erase_if(watched_, [which](Watched* watched) {
    if (which == Which::kTcp && !watched->socket.unix_path.empty()) return false;
    uv_poll_stop(&watched->poll);
    close_socket(watched->socket);
    uv_close(reinterpret_cast<uv_handle_t*>(&watched->poll),
             [](uv_handle_t* handle) { delete static_cast<Watched*>(handle->data); });
    return true;
  });
  if (which == Which::kAll && retry_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(retry_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
    retry_ = nullptr;
  }
}

void Listener::accept_some(Watched& watched) {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    const int fd = ::accept4(watched.socket.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_(fd, !watched.socket.unix_path.empty());
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    if (errno == EINVAL) {  // shut down by a CONFIG SET that is about to replace or revive it
      uv_poll_stop(&watched.poll);
      retry_soon();
      return;
    }
    // Out of descriptors or memory: the client stays in the queue, and the loop must not spin.
    const auto now_ms = static_cast<int64_t>(uv_now(loop_));
    if (now_ms - last_complaint_ms_ >= kComplaintMs) {
      last_complaint_ms_ = now_ms;
      log_warning("Accepting client connection: {}", std::strerror(errno));
    }
    for (Watched* each : watched_) uv_poll_stop(&each->poll);
    retry_soon();
    return;
  }
}

// Whoever waits already does not wait longer for another.
void Listener::retry_soon() {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(retry_)) != 0) return;
  uv_timer_start(
      retry_,
      [](uv_timer_t* timer) {
        auto* const self = static_cast<Listener*>(timer->data);
        for (Watched* watched : self->watched_) watched->start();
      },
      kRetryMs, 0);
}

}  // namespace respcask::server
