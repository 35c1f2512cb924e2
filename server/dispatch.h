// Dispatch: from a parsed request to its reply, through every check, once and in a fixed order.
//
// Called on the session's loop. Takes the locks of the shards that the command's keys fall in, runs
// the handler, closes the batch, releases the locks. What it wrote is committed at the end of the
// loop's turn (Turn), and replies leave after that.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/shard_set.h"
#include "resp/writer.h"

namespace respcask::server {

class Server;
class Session;

enum class Outcome : uint8_t {
  kDone,     // exactly one reply was written (or none, where the protocol says so)
  kParked,   // a value is being fetched: keep the request, call dispatch again after resume()
  kBlocked,  // the client waits (BLPOP, CLIENT PAUSE, ...): the same
  kClose,    // the reply was written and the connection is to be closed after it
};

// What one turn of a loop touched; one a worker, cleared after each commit.
struct Turn {
  engine::ShardSet touched;
};

// `args` must stay valid and the same until the outcome is kDone or kClose.
Outcome dispatch(Server& server, Session& session, Turn& turn,
                 std::span<const std::string_view> args, resp::Writer& reply);

}  // namespace respcask::server
