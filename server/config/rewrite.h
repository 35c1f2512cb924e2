// CONFIG REWRITE: a configuration file's text brought in line with a Config.
//
// Invariants: a line whose parameter already has its current value stays byte for byte, and so does
// every comment, blank line and line that is not understood. Reading the new text gives the current
// values back, includes and all. Pure but for rewrite_file; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"
#include "server/config/config.h"

namespace respcask::server {

// The new text of a file that reads `text`. `user_lines`: as for ConfigStore::rewrite.
std::string rewrite_text(std::string_view text, const Config& current,
                         std::optional<std::span<const std::string>> user_lines);

// The words of the `user` lines, without the word "user", in what the file at `path` includes.
std::vector<std::vector<std::string>> included_users(const std::string& path);

// Rewrites the file at `path`, which need not exist any more. The new text is synced under a
// temporary name in the same directory, takes the old file's mode, and is renamed over it; a
// symbolic link is followed. kIo if that fails; then the file is as it was, unless the last step
// failed (replace_file.h).
engine::Result<void> rewrite_file(const std::string& path, const Config& current,
                                  std::optional<std::span<const std::string>> user_lines);

}  // namespace respcask::server
