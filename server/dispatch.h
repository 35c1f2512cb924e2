// Dispatch: from a parsed request to its reply, through every check, once and in a fixed order.
//
// Called on the session's loop. Takes the locks of the shards that the command's keys fall in, runs
// the handler, closes the batch, releases the locks. What it wrote is committed at the end of the
// loop's turn (turn.h), and replies leave after that.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "resp/writer.h"
#include "server/turn.h"

namespace respcask::server {

class Session;

enum class Outcome : uint8_t {
  kDone,     // exactly one reply was written (or none, where the protocol says so)
  kParked,   // a value is being fetched: keep the request, call dispatch again after resume()
  kBlocked,  // the client waits (BLPOP, CLIENT PAUSE, ...): the same
  kClose,    // the reply was written and the connection is to be closed after it
  kCutOff,   // what the client is to be sent passes its output limit: to be closed at once
};

// `args` is not empty, and stays valid and the same until the outcome is kDone or kClose. `reply`
// is given the session's protocol by dispatch. The session's loop calls this, inside `turn`.
Outcome dispatch(Session& session, Turn& turn, std::span<const std::string_view> args,
                 resp::Writer& reply);

// What a request without words does, which has no reply: as in Redis it is the next request for
// CLIENT REPLY SKIP and CLIENT CACHING. On the session's loop.
void dispatch_empty(Session& session);

}  // namespace respcask::server
