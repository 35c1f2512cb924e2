// A small file replaced as a whole, for what the server itself writes beside its data: the
// configuration, the users.
//
// Blocks on the disk; any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "engine/result.h"

namespace respcask::server {

// The text is synced under a temporary name in the same directory and renamed over `path`, and the
// directory is synced. kIo if that fails: then the file is as it was, unless the last step failed.
engine::Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode);

}  // namespace respcask::server
