// Connection: one client's socket. Reads requests, runs each complete one through dispatch, and
// sends the replies at the end of the loop's turn, after the commit that they depend on.
//
// Invariants:
// - Commands of one client run one after the other, in order; n commands give n replies, but for
//   those that Redis does not answer either.
// - A reply leaves after the commit of the turn that wrote it, and with appendfsync always after
//   the sync of that commit. If either fails, the connection is closed and the reply is dropped.
// - Pushed bytes leave in the order of the push() calls, between replies; and none behind the reply
//   after which the connection is closed.
// - A client with kOutputHighWater unsent bytes runs no command, unless maxmemory-clients or CLIENT
//   NO-EVICT allows for more. What it sends meanwhile is read and kept, most of it on the disk:
//   many clients send all of a pipeline before they read the first reply.
// - While there is a spill, what is in it comes before what is still in the socket.
// - While a request waits (parked, blocked) its arguments stay where they are.
// - Once it has left, the session is gone and no other thread knows the connection; the object
//   lives until the loop lets go of its handle.
//
// A connection is made by its worker, belongs to it, and lives on its loop's thread. Only the
// methods of Carrier may be called from other threads; they leave word in the worker's inbox.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/shard_set.h"
#include "engine/store.h"
#include "resp/lent_bytes.h"
#include "resp/parser.h"
#include "server/client_eviction.h"
#include "server/net/input_buffer.h"
#include "server/net/input_spill.h"
#include "server/net/output_queue.h"
#include "server/session.h"

namespace respcask::server {

class LookAhead;
class Worker;

class Connection final : public Carrier {
 public:
  // Above this many unsent bytes a client's commands wait, and below half of it they go on.
  static constexpr size_t kOutputHighWater = 1024 * 1024;
  // The same for a client that has not authenticated.
  static constexpr size_t kUnauthenticatedHighWater = 16 * 1024;
  // What is kept in memory of what it sends meanwhile, if it has authenticated; then a spill
  // begins.
  static constexpr size_t kStalledInput = 1024 * 1024;
  // Read ahead of a command that waits, so that a client that goes away is noticed.
  static constexpr size_t kReadAhead = 64 * 1024;
  // Commands of one client in one turn of the loop, and the time they may take: the others wait.
  static constexpr uint32_t kTurnCommands = 512;
  static constexpr uint64_t kTurnNs = 1'000'000;
  // How long a closed client may take to read the last replies.
  static constexpr int64_t kLingerMs = 1000;

  Connection(Worker& worker, int fd, bool unix_socket);
  ~Connection() override;

  // Begins to read.
  void start();

  // Carrier: any thread.
  void resume() override;
  void push(std::string_view bytes) override;
  void close(bool after_replies) override;
  ClientBuffers buffers() const override;

  // Carrier, on the loop.
  void take_pushes(std::string& to) override;

  // --- for the worker, on its thread -----------------------------------------------------------

  // Runs what is complete in the buffer, until there is no more, or the client has to wait.
  void run();
  // Adds the keys of the requests that run() is about to meet.
  void look_ahead(LookAhead& keys);
  // The turn is over: what it wrote depends on `point`; `failed`: its commit went wrong. `sent`:
  // first_of_turn() has been sent, with this result (bytes, or -errno).
  void finish_turn(engine::SyncPoint point, bool commit_failed, std::optional<ssize_t> sent);
  // A sync has returned: sends what waited for it. `sent`: as above, first_held().
  void release(std::optional<ssize_t> sent);
  // What finish_turn() would send first, with the same arguments; empty: nothing, or not at once.
  std::string_view first_of_turn(engine::SyncPoint point, bool commit_failed) const;
  // What release() would send first; empty: nothing, or more than a send takes.
  std::string_view first_held();
  int descriptor() const { return fd_; }
  // What other threads ask for, and doing it.
  struct Mail {
    enum class Close : uint8_t { kNo, kAfterReplies, kNow };
    struct Request {
      bool resumed = false;
      size_t before_resume = 0;  // of `pushed`, the bytes that go before the resumed reply
      Close close = Close::kNo;
    };
    Request request;
    std::string pushed;
    bool listed = false;  // in the inbox's list
  };
  Mail& mail() { return mail_; }  // guarded by the inbox's lock
  void deliver(Mail::Request request);
  // Every so often: idle time-out, memory, limits, clients that left unnoticed.
  void tick(int64_t now_ms);
  // Closes the socket and takes the session out of the server.
  void disconnect();

  // The worker's own marks.
  size_t position = 0;  // in its list of connections
  bool fresh = false;   // in the list of connections that were read from and have not run since
  bool dirty = false;   // in the list of connections with something to send this turn
  bool ready = false;   // in the list of connections with commands left over
  bool held = false;    // in the list of connections that wait for a sync

 private:
  enum class State : uint8_t {
    kOpen,       // reads and runs commands
    kWaiting,    // the command at the front is parked or blocked
    kFlushing,   // runs no more; closes once all has left
    kLingering,  // all has left; the rest of the input is thrown away until the client closes
    kClosed,
  };

  // connection.cc: input and commands.
  size_t missing() const;
  static void on_room(uv_handle_t* handle, size_t suggested, uv_buf_t* room);
  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* room);
  void take_input(ssize_t size);
  void keep_for_later(size_t size);
  bool take_spilled();
  void end_input();
  void take_room();
  void run_buffer();
  bool is_query_too_long();
  void close_for_query();
  bool run_command(bool resumed = false);
  void consume_request();
  void wait_for_resume(bool parked);
  bool waits_for_nobody() const;
  void give_up_waiting();
  void report_attack();
  void update_parser_limits();
  void update_reading();
  bool must_read_first(size_t unsent);
  bool may_send_more();
  bool budget_left();

  // connection_output.cc: replies, limits and the end.
  size_t reply_bytes() const { return replies_.size() + lent_.bytes(); }
  size_t unsent_bytes() const;
  void update_counts();
  void update_output_counts();
  void flush();
  ssize_t send(std::span<const uv_buf_t> pieces);
  std::optional<size_t> count_sent(ssize_t result);
  void note_activity();
  bool take_sent(ssize_t result);
  void write_rest();
  static void on_written(uv_write_t* request, int status);
  void take_pushes(std::string& to, size_t most_bytes);
  void add_pushes(size_t most_bytes = SIZE_MAX);
  void after_flush();
  void close_flushed();
  static constexpr size_t kWritePieces = 256;
  size_t gather(std::span<uv_buf_t> pieces);
  bool may_leave();
  bool enforce_output_limits(int64_t now_ms);
  bool evict_if_over(bool between_commands = false);
  void cut_off();
  bool peer_is_gone() const;
  void leave();
  std::string description() const;

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle_); }
  const uv_stream_t* stream() const { return reinterpret_cast<const uv_stream_t*>(&handle_); }

  Worker& worker_;
  const int fd_;
  const bool unix_socket_;
  State state_ = State::kOpen;
  bool reading_ = false;
  bool input_ended_ = false;
  bool stalled_ = false;  // by unsent output
  bool again_ = false;    // the command at the front has to run again
  bool parked_ = false;   // the waiting command waits for a disk, so it will go on
  bool write_pending_ = false;
  uint32_t turn_commands_ = 0;
  uint64_t turn_ = 0;  // the turn that turn_commands_ counts
  uint64_t turn_began_ns_ = 0;
  uint64_t limits_version_ = 0;  // of the configuration that the parser's limits come from
  size_t seen_bytes_ = 0;        // at the front of input_, of requests that were looked ahead at
  size_t whole_at_ = 0;          // how much has to be unread before there can be another argument
  resp::Parser parser_;
  InputBuffer input_;
  std::unique_ptr<InputSpill> spill_;  // what follows input_
  uint64_t spill_turn_ = 0;            // the turn that last read into it
  std::string replies_;                // of this turn
  resp::LentBytes lent_;               // what is lent to them
  OutputQueue output_;                 // of earlier turns
  engine::ShardSet touched_;           // by this turn
  std::optional<Session> session_;     // until it has left
  Mail mail_;
  std::atomic<bool> pushed_{false};  // mail_ holds pushed bytes
  int64_t last_active_ms_ = 0;
  int64_t soft_limit_since_ms_ = 0;
  int64_t linger_until_ms_ = 0;
  size_t writing_bytes_ = 0;  // handed to write_
  ClientMemory::Share memory_share_ = 0;
  // For buffers().
  struct {
    Shown<size_t> unread, taken, arguments, input_memory, parser_memory;
    Shown<size_t> unsent, output_parts, output_memory;
  } shown_;
  uv_write_t write_;
  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_;
};

}  // namespace respcask::server
