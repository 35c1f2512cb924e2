#include "tests/e2e/client.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace respcask::e2e {

std::string request(std::initializer_list<std::string_view> words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n";
    bytes += word;
    bytes += "\r\n";
  }
  return bytes;
}

Client::Client(int port) {
  REQUIRE(try_connect(port));
}

Client::Client(const std::string& unix_path) {
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(unix_path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, unix_path.data(), unix_path.size());
  REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      position_(std::exchange(other.position_, 0)) {}

Client& Client::operator=(Client&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  buffer_ = std::move(other.buffer_);
  position_ = std::exchange(other.position_, 0);
  return *this;
}

bool Client::try_connect(int port, const char* to) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  REQUIRE(::inet_pton(AF_INET, to, &address.sin_addr) == 1);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close();
    return false;
  }
  const int yes = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return true;
}

void Client::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Client::end_input() {
  ::shutdown(fd_, SHUT_WR);
}

void Client::set_receive_buffer(int bytes) {
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

ssize_t Client::send_some(std::string_view bytes) {
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

bool Client::fill() {
  if (position_ > 0 && position_ == buffer_.size()) {
    buffer_.clear();
    position_ = 0;
  }
  pollfd query{fd_, POLLIN, 0};
  if (::poll(&query, 1, kTimeoutMs) <= 0) return false;
  char bytes[65536];
  const ssize_t size = ::recv(fd_, bytes, sizeof bytes, 0);
  if (size <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(size));
  return true;
}

std::string Client::read_exactly(size_t size) {
  while (buffer_.size() - position_ < size && fill()) {
  }
  std::string bytes = buffer_.substr(position_, size);
  position_ += bytes.size();
  return bytes;
}

std::string Client::read_line() {
  size_t searched = position_;
  for (;;) {
    const size_t end = buffer_.find("\r\n", searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(position_, end - position_);
      position_ = end + 2;
      return line;
    }
    const size_t unread = buffer_.size() - position_;
    if (!fill()) return "";
    searched = position_ + (unread > 0 ? unread - 1 : 0);
  }
}

std::string Client::read_reply() {
  std::string line = read_line();
  if (line.empty()) return line;
  std::string reply = line + "\r\n";
  const long count = std::atol(line.c_str() + 1);
  switch (line[0]) {
    case '$':
    case '=':
      if (count >= 0) reply += read_exactly(static_cast<size_t>(count) + 2);
      break;
    case '*':
    case '~':
    case '>':
      for (long i = 0; i < count; ++i) reply += read_reply();
      break;
    case '%':
      for (long i = 0; i < 2 * count; ++i) reply += read_reply();
      break;
    default:
      break;
  }
  return reply;
}

std::string Client::read_all() {
  while (fill()) {
  }
  std::string bytes = buffer_.substr(position_);
  position_ = buffer_.size();
  return bytes;
}

bool Client::ends() {
  if (position_ != buffer_.size()) return false;
  pollfd query{fd_, POLLIN, 0};
  if (::poll(&query, 1, kTimeoutMs) <= 0) return false;
  char byte;
  return ::recv(fd_, &byte, 1, 0) <= 0;
}

std::string info_value(Client& client, const std::string& field) {
  const std::string info = client.call({"INFO", "everything"});
  const size_t at = info.find("\n" + field + ":");
  REQUIRE(at != std::string::npos);
  const size_t begin = at + field.size() + 2;
  return info.substr(begin, info.find('\r', begin) - begin);
}

bool info_becomes(Client& client, const std::string& field, const std::string& value) {
  for (int i = 0; i < 500; ++i) {
    if (info_value(client, field) == value) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace respcask::e2e
