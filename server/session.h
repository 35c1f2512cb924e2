// Session: one client as the commands see it. No socket, no libuv.
//
// A session belongs to one loop and its fields are touched on that loop's thread only, except what
// is marked atomic or guarded. Whoever carries it (net/connection.h; a test; the fuzzer) implements
// Carrier, whose methods any thread may call. The carrier owns the session.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shard_set.h"

namespace respcask::server {

// What a session asks of whoever carries it. Every method may be called from any thread and
// returns at once; the carrier does the work on its own loop.
class Carrier {
 public:
  virtual ~Carrier() = default;
  // The session's parked or blocked command may run again (or be answered: time-out, UNBLOCK).
  virtual void resume() = 0;
  // Appends bytes that are no reply to a command of this session: pub/sub, tracking, MONITOR.
  // They leave in the order of the calls, never inside another reply.
  virtual void push(std::string bytes) = 0;
  // Closes the connection: at once, or after what is queued has left.
  virtual void close(bool after_replies) = 0;
  // Unsent bytes, for CLIENT LIST and limits; approximate from other threads.
  virtual size_t output_bytes() const = 0;
  virtual size_t input_bytes() const = 0;
};

// A command's values that were fetched from disk while it was parked; dispatch keeps them for its
// next run.
struct Parked;
// Where a blocked session waits; see blocking.h.
struct BlockedState;
// MULTI's queue and WATCH's keys; see commands/transactions.cc.
struct TransactionState;

class Session {
 public:
  explicit Session(Carrier& carrier);
  ~Session();

  Carrier& carrier;
  uint64_t id = 0;             // unique and rising while the server runs
  int64_t created_ms = 0;
  int64_t last_command_ms = 0;
  std::string name;            // CLIENT SETNAME
  std::string peer_address;    // "127.0.0.1:50000", "/path.sock:0"
  std::string local_address;
  int fd = -1;
  uint32_t worker = 0;         // index of the loop
  bool unix_socket = false;

  uint32_t db = 0;
  int protocol = 2;            // 2 or 3
  bool authenticated = false;
  std::string user = "default";

  enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipping };
  ReplyMode reply_mode = ReplyMode::kOn;
  bool close_after_reply = false;
  bool monitor = false;
  bool no_evict = false;

  std::string_view last_command = {};  // name from the table, for CLIENT LIST; "" before the first

  std::unique_ptr<TransactionState> transaction;  // null outside MULTI and WATCH
  std::unique_ptr<BlockedState> blocked;          // null unless waiting
  std::unique_ptr<Parked> parked;                 // null unless a cold value is being fetched
};

}  // namespace respcask::server
