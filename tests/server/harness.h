// A server without a network, for tests of commands: a store in a temporary directory, and clients
// that hand their requests to dispatch and take the replies as strings.
//
//     Harness h;
//     CHECK(h.run("SET a b") == "+OK\r\n");
//     Client other(h);
//     CHECK(other.run({"GET", "a"}) == "$1\r\nb\r\n");
//
// Everything happens on the calling thread, and time stands only as still as the system's clock:
// the server's threads are not started unless start_threads() is called; wake_due() and
// expire_now() do their work at once. Values that are not in memory are fetched in place.
#pragma once

#include <atomic>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "resp/split_args.h"
#include "resp/writer.h"
#include "server/config/store.h"
#include "server/dispatch.h"
#include "server/server.h"
#include "server/session.h"
#include "server/types/element_index.h"

namespace respcask::server::testing {

// A directory that goes with its owner; in RESPCASK_MEMORY if that is set, else in memory where the
// system has such a place.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* const given = std::getenv("RESPCASK_MEMORY");
    const std::filesystem::path memory = given != nullptr ? given : "/dev/shm";
    const auto parent =
        std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "respcask-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Client;

class Harness {
 public:
  // `settings` are as CONFIG SET takes them: name, value, ... `more_commands`: rows beside the
  // server's own. `files`: where the store lies, in /store, instead of a temporary directory; it
  // outlives the harness.
  explicit Harness(std::initializer_list<std::string_view> settings = {},
                   std::span<const Command> more_commands = {}, engine::FileSystem* disk = nullptr);
  // With what CONFIG SET cannot set. Users are loaded when the test asks (acl::load_users).
  explicit Harness(const std::function<void(Config&)>& configure);
  ~Harness();

  // Runs a command line, words and quotes as in redis-cli, on the harness's own client.
  std::string run(std::string_view line);
  std::string run(std::initializer_list<std::string_view> args);
  Client& client() { return *client_; }

  // Closes the store and opens it again, with a new server; all clients but the harness's own must
  // be gone.
  void restart();
  void set(std::initializer_list<std::string_view> name_and_value);
  void start_threads() {
    if (!server->start()) std::abort();
  }
  // What the server's threads would do by now.
  void wake_due();
  void expire_now();
  // No command may append more than it has reserved: on a full disk that ends all writing.
  void expect_within_reserve();
  // What the log has grown to, in bytes: a shard's, or all of it.
  uint64_t log_bytes(uint32_t shard);
  uint64_t log_bytes();

  TemporaryDirectory directory;
  std::unique_ptr<engine::Store> store;
  std::unique_ptr<ConfigStore> config;
  std::unique_ptr<Server> server;
  // May be set before restart(): the types' indexes, and where the store lies.
  engine::ElementIndexFactory element_index = make_element_index;
  engine::FileSystem* files;
  std::string place;  // instead of `directory`, if it is not empty

 private:
  void open();
  Config initial_;
  std::span<const Command> more_commands_;
  std::unique_ptr<Client> client_;
};

// One client, with a turn of its own as if it were alone on its loop.
class Client final : public Carrier {
 public:
  explicit Client(Harness& harness);
  ~Client() override;

  // Runs a command and commits: its reply, with what was pushed to the client before it. A command
  // that blocks answers "" here and its reply in a later resumed().
  std::string run(std::string_view line);
  std::string run(std::initializer_list<std::string_view> args);
  std::string run(std::vector<std::string> args);

  // Runs the waiting command again if it was resumed, and returns its reply; "" if there is none.
  std::string resumed();
  bool blocked() const { return waiting_; }
  // What was pushed and not returned yet.
  std::string pushed();
  bool closed() const { return closed_; }
  void use_protocol(int protocol) { session->protocol = protocol; }

  std::unique_ptr<Session> session;
  Turn turn;
  ClientBuffers held;  // what its connection is to say that it holds

  // Carrier
  void resume() override { resume_due_ = true; }
  void push(std::string_view bytes) override;
  void close(bool) override { closed_ = true; }
  ClientBuffers buffers() const override { return held; }
  void take_pushes(std::string& to) override;

 private:
  std::string dispatch_now();

  Harness& harness_;
  std::vector<std::string> request_;
  std::vector<std::string_view> args_;
  bool waiting_ = false;
  std::atomic<bool> resume_due_{false};
  std::atomic<bool> closed_{false};
  std::mutex pushed_mutex_;
  std::string pushed_;
};

// Runs a command of `client` that neither waits nor ends it in a turn that has begun, as one of a
// pipeline: nothing is committed when it is answered. Its reply, without what was pushed before.
std::string run_in(Turn& turn, Client& client, std::initializer_list<std::string_view> args);

// What OBJECT ENCODING says of a key that is there.
std::string encoding(Harness& h, std::string_view key);
// Whether a key of database 0 is a collection with a record for each element.
bool is_split(Harness& h, std::string_view key);

int64_t unix_ms();

}  // namespace respcask::server::testing
