// Names of sockets' ends, as CLIENT LIST writes them, and whether the far one is on this machine.
// Plain functions over a descriptor that the caller keeps open; any thread.
#pragma once

#include "server/session.h"

namespace respcask::server {

// Where a connected socket comes from. `worker` is left for the caller to fill in.
Peer peer_of(int fd, bool unix_socket);

}  // namespace respcask::server
