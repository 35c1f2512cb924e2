#include "server/net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <string_view>

namespace respcask::server {
namespace {

union AnyAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
  sockaddr_storage storage;
};

std::string name_of(const AnyAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  switch (address.any.sa_family) {
    case AF_INET:
      inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
      return fmt::format("{}:{}", text, ntohs(address.v4.sin_port));
    case AF_INET6:
      inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text);
      return fmt::format("[{}]:{}", text, ntohs(address.v6.sin6_port));
    case AF_UNIX:
      return fmt::format("{}:0", address.local.sun_path);
    default:
      return "?:0";
  }
}

bool is_loopback(const AnyAddress& address) {
  switch (address.any.sa_family) {
    case AF_INET:
      return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6: {
      const in6_addr& v6 = address.v6.sin6_addr;
      return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    }
    default:
      return address.any.sa_family == AF_UNIX;
  }
}

}  // namespace

Peer peer_of(int fd, bool unix_socket) {
  AnyAddress remote;
  AnyAddress local;
  std::memset(&remote, 0, sizeof remote);
  std::memset(&local, 0, sizeof local);
  socklen_t size = sizeof remote;
  ::getpeername(fd, &remote.any, &size);
  size = sizeof local;
  ::getsockname(fd, &local.any, &size);
  Peer peer;
  peer.fd = fd;
  peer.unix_socket = unix_socket;
  peer.local_address = name_of(local);
  peer.address = name_of(remote);
  peer.local = unix_socket || is_loopback(remote);
  return peer;
}

}  // namespace respcask::server
