// Client: a plain socket that speaks bytes, for tests that care how requests and replies travel.
//
// It owns its socket. Reads wait kTimeoutMs at most, and then give what there is. One thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace respcask::e2e {

// "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
std::string request(std::initializer_list<std::string_view> words);

class Client {
 public:
  static constexpr int kTimeoutMs = 20000;

  Client() = default;
  explicit Client(int port);                      // fails the test if there is nobody
  explicit Client(const std::string& unix_path);  // the same
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;

  // `address`: an IPv4 address in digits.
  bool try_connect(int port, const char* address = "127.0.0.1");
  void close();
  // No more will be sent; replies may still come.
  void end_input();
  int fd() const { return fd_; }
  // Smaller kernel buffers make a slow reader slow sooner. Before connecting has no meaning here.
  void set_receive_buffer(int bytes);

  // All of it; false if the other side is gone.
  bool send(std::string_view bytes);
  // As much as goes without waiting; returns how much that was, -1 if the other side is gone.
  ssize_t send_some(std::string_view bytes);

  // A line without its end. "" at the end of the stream.
  std::string read_line();
  // One whole reply, as it came.
  std::string read_reply();
  std::string read_exactly(size_t size);
  // Everything until the other side closes.
  std::string read_all();
  // Whether the other side closes within the time-out, having sent nothing more.
  bool ends();

  // Sends a command and reads its reply.
  std::string call(std::initializer_list<std::string_view> words) {
    send(request(words));
    return read_reply();
  }

 private:
  bool fill();

  int fd_ = -1;
  std::string buffer_;
  size_t position_ = 0;
};

// The value of a field of INFO, which there has to be.
std::string info_value(Client& client, const std::string& field);
// Whether it has that value soon.
bool info_becomes(Client& client, const std::string& field, const std::string& value);

}  // namespace respcask::e2e
