// A client that loads a server as redis-benchmark does, with what that lacks: keys by Zipf's law,
// reads and writes mixed, several keys a command, and the 99.9th percentile.
//
// usage: load-client --port N [--connections N] [--pipeline N] [--requests N] [--keys N]
//                    [--read-percent N] [--zipf S] [--value-bytes N] [--keys-a-command N]
//                    [--seed N]
//
// Each connection sends `pipeline` requests and waits for all their replies before it sends the
// next. A request is GET or SET, MGET or MSET with several keys a command, of "key:%012d". Without
// --zipf keys are uniform; with it the n-th most popular of them is chosen in proportion to
// n^-S, and popularity is spread over the numbers. Prints
// "rps value p50_ms value p99_ms value p999_ms value max_ms value". Exit status 1: an error reply,
// or the connection was lost.

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Load {
  uint16_t port = 0;
  size_t connections = 50;
  size_t pipeline = 1;
  uint64_t requests = 100'000;
  uint64_t keys = 1'000'000;
  uint64_t read_percent = 100;
  double zipf = 0;  // 0: uniform
  size_t value_bytes = 100;
  size_t keys_a_command = 1;
  uint64_t seed = 1;
};

Load parse(int argc, char** argv) {
  std::map<std::string_view, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  Load load;
  const auto number = [&](std::string_view name, auto& to) {
    const auto found = given.find(name);
    if (found == given.end()) return;
    to = static_cast<std::remove_reference_t<decltype(to)>>(std::stod(found->second));
    given.erase(found);
  };
  number("--port", load.port);
  number("--connections", load.connections);
  number("--pipeline", load.pipeline);
  number("--requests", load.requests);
  number("--keys", load.keys);
  number("--read-percent", load.read_percent);
  number("--zipf", load.zipf);
  number("--value-bytes", load.value_bytes);
  number("--keys-a-command", load.keys_a_command);
  number("--seed", load.seed);
  if (argc % 2 == 0 || !given.empty() || load.port == 0) {
    throw std::runtime_error("usage: see the head of tests/bench/load_client.cc");
  }
  return load;
}

// Numbers below `count` by popularity: Gray et al., "Quickly generating billion-record synthetic
// databases", SIGMOD 1994, as in YCSB.
class Zipf {
 public:
  Zipf(uint64_t count, double exponent) : count_(count), exponent_(exponent) {
    for (uint64_t i = 1; i <= count; ++i) zeta_ += std::pow(static_cast<double>(i), -exponent);
    const double zeta2 = 1 + std::pow(2.0, -exponent);
    alpha_ = 1 / (1 - exponent);
    eta_ = (1 - std::pow(2.0 / static_cast<double>(count), 1 - exponent)) / (1 - zeta2 / zeta_);
  }

  template <class Random>
  uint64_t operator()(Random& random) const {
    const double u = std::uniform_real_distribution<double>()(random);
    const double z = u * zeta_;
    uint64_t rank = 0;
    if (z >= 1 + std::pow(0.5, exponent_)) {
      rank = static_cast<uint64_t>(static_cast<double>(count_) *
                                   std::pow(eta_ * u - eta_ + 1, alpha_));
    } else if (z >= 1) {
      rank = 1;
    }
    // Neighbours in popularity are no neighbours in the store.
    return std::min(rank, count_ - 1) * 0x9E3779B97F4A7C15 % count_;
  }

 private:
  uint64_t count_;
  double exponent_;
  double zeta_ = 0;
  double alpha_ = 0;
  double eta_ = 0;
};

class Requests {
 public:
  explicit Requests(const Load& load)
      : load_(load), random_(load.seed), value_(load.value_bytes, 'v') {
    if (load.zipf > 0) zipf_ = std::make_unique<Zipf>(load.keys, load.zipf);
    for (char& c : value_) c = static_cast<char>('a' + random_() % 26);
  }

  void append_one(std::string& to) {
    const bool read = random_() % 100 < load_.read_percent;
    const size_t keys = load_.keys_a_command;
    const std::string_view name = keys > 1 ? (read ? "MGET" : "MSET") : (read ? "GET" : "SET");
    append(to, "*{}\r\n${}\r\n{}\r\n", 1 + (read ? keys : 2 * keys), name.size(), name);
    for (size_t i = 0; i < keys; ++i) {
      const uint64_t key = zipf_ ? (*zipf_)(random_) : random_() % load_.keys;
      append(to, "$16\r\nkey:{:012}\r\n", key);
      if (!read) append(to, "${}\r\n{}\r\n", value_.size(), value_);
    }
  }

 private:
  template <class... Values>
  static void append(std::string& to, fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(to), format, std::forward<Values>(values)...);
  }

  const Load& load_;
  std::mt19937_64 random_;
  std::string value_;
  std::unique_ptr<Zipf> zipf_;
};

// The size of the reply at the front, 0 if it is not complete.
size_t reply_size(std::string_view bytes) {
  const size_t line = bytes.find("\r\n");
  if (line == std::string_view::npos) return 0;
  if (bytes[0] == '-') throw std::runtime_error(std::string(bytes.substr(0, line)));
  size_t end = line + 2;
  if (bytes[0] != '$' && bytes[0] != '*') return end;
  int64_t count = 0;
  std::from_chars(bytes.data() + 1, bytes.data() + line, count);
  if (bytes[0] == '$') {
    if (count >= 0) end += static_cast<size_t>(count) + 2;
    return end <= bytes.size() ? end : 0;
  }
  for (; count > 0; --count) {
    const size_t element = reply_size(bytes.substr(end));
    if (element == 0) return 0;
    end += element;
  }
  return end;
}

struct Connection {
  int fd = -1;
  std::string out;
  std::string in;
  size_t waiting = 0;  // for so many replies
  Clock::time_point sent;
};

class Client {
 public:
  explicit Client(const Load& load) : load_(load), requests_(load), poll_(epoll_create1(0)) {
    connections_.resize(load.connections);
    for (Connection& each : connections_) open(each);
    times_us_.reserve(load.requests);
  }

  double run() {
    const auto begin = Clock::now();
    for (Connection& each : connections_) send_next(each);
    std::vector<epoll_event> events(connections_.size());
    while (times_us_.size() < load_.requests) {
      const int ready = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 10'000);
      if (ready <= 0) throw std::runtime_error("the server does not answer");
      for (int i = 0; i < ready; ++i) receive(*static_cast<Connection*>(events[i].data.ptr));
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  // In ms, of the latencies; `share` below 1.
  double percentile(double share) {
    const size_t place = static_cast<size_t>(share * static_cast<double>(times_us_.size()));
    const auto at =
        times_us_.begin() + static_cast<ptrdiff_t>(std::min(place, times_us_.size() - 1));
    std::nth_element(times_us_.begin(), at, times_us_.end());
    return static_cast<double>(*at) / 1000;
  }

 private:
  void open(Connection& connection) {
    connection.fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(load_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect");
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(poll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void send_next(Connection& connection) {
    const uint64_t count = std::min<uint64_t>(load_.pipeline, load_.requests - sent_);
    if (count == 0) return;
    sent_ += count;
    connection.out.clear();
    for (uint64_t i = 0; i < count; ++i) requests_.append_one(connection.out);
    connection.waiting = count;
    connection.sent = Clock::now();
    for (size_t done = 0; done < connection.out.size();) {
      const ssize_t size = send(connection.fd, connection.out.data() + done,
                                connection.out.size() - done, MSG_NOSIGNAL);
      if (size <= 0) throw std::runtime_error("the connection was lost");
      done += static_cast<size_t>(size);
    }
  }

  void receive(Connection& connection) {
    char bytes[64 * 1024];
    const ssize_t size = recv(connection.fd, bytes, sizeof bytes, 0);
    if (size <= 0) throw std::runtime_error("the connection was lost");
    connection.in.append(bytes, static_cast<size_t>(size));
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - connection.sent);
    size_t begin = 0;
    while (begin < connection.in.size() && connection.waiting > 0) {
      const size_t reply = reply_size(std::string_view(connection.in).substr(begin));
      if (reply == 0) break;
      begin += reply;
      --connection.waiting;
      times_us_.push_back(static_cast<uint32_t>(took.count()));
    }
    connection.in.erase(0, begin);
    if (connection.waiting == 0) send_next(connection);
  }

  const Load& load_;
  Requests requests_;
  int poll_;
  std::vector<Connection> connections_;
  uint64_t sent_ = 0;
  std::vector<uint32_t> times_us_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    const Load load = parse(argc, argv);
    Client client(load);
    const double seconds = client.run();
    fmt::print("rps {:.0f} p50_ms {:.3f} p99_ms {:.3f} p999_ms {:.3f} max_ms {:.3f}\n",
               static_cast<double>(load.requests) / seconds, client.percentile(0.5),
               client.percentile(0.99), client.percentile(0.999), client.percentile(1));
  } catch (const std::exception& error) {
    fmt::print(stderr, "load-client: {}\n", error.what());
    return 1;
  }
}
