// A small file read as a whole: the configuration, the users.
//
// Blocks on the disk; any thread.
#pragma once

#include <string>
#include <system_error>

namespace respcask::server {

// Puts what the file at `path` holds into `text`. The system's error where it cannot be opened or
// read, as a directory cannot; `text` is not to be used then.
std::error_code read_file(const std::string& path, std::string& text);

}  // namespace respcask::server
