// What is told of a client, and asked about it, in several places: its line of CLIENT LIST, which
// the log uses too, and its output limit.
//
// The session is alive and its registry is held, or it belongs to the calling thread's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/config/config.h"

namespace respcask::server {

class Session;

// "id=3 addr=127.0.0.1:57126 ..." as of `now_ms` (Unix time), without a line break. `running`:
// bytes of the arguments of the command that it runs, which the session's own loop knows.
std::string client_info(const Session& session, int64_t now_ms, size_t running = 0);

// Bytes of memory that the client takes: its buffers, what it has queued, watches and subscribes
// to. What maxmemory-clients bounds. Any thread that keeps the session alive.
size_t client_memory(const Session& session);

// The limit on what the client may leave unread.
const OutputLimit& output_limit(const Config& config, const Session& session);

}  // namespace respcask::server
