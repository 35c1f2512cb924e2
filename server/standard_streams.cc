#include "server/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <string>

namespace respcask::server {

namespace {

int first_failure = 0;  // errno of what was printed first and not written

void note_failure() {
  if (first_failure == 0) first_failure = errno;
}

}  // namespace

bool open_standard_streams() {
  // In this order, since a file gets the lowest number that is free.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1) continue;
    if (::open("/dev/null", O_RDWR) != stream) return false;
  }
  return true;
}

void print_text(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size()) note_failure();
}

void say_text(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

engine::Result<void> printed() {
  if (std::fflush(stdout) != 0) note_failure();
  if (first_failure == 0) return {};
  return engine::Error{engine::ErrorCode::kIo,
                       std::string("cannot write: ") + std::strerror(first_failure)};
}

}  // namespace respcask::server
