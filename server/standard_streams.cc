#include "server/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <initializer_list>

namespace respcask::server {

bool open_standard_streams() {
  // In this order, since a file gets the lowest number that is free.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1) continue;
    if (::open("/dev/null", O_RDWR) != stream) return false;
  }
  return true;
}

}  // namespace respcask::server
