// Reads configuration text, line by line, into a Config: the file, what it includes, standard input
// and the parameters of the command line all pass through here.
//
// Invariants: a line is applied whole or not at all; reading stops at the first line that is wrong,
// and what was read before it stays. The Config must outlive the Reader. One thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"

namespace respcask::server {

class Reader {
 public:
  explicit Reader(Config& config) : config_(config) {}

  // All of these return what is wrong, "" if nothing.

  // A file and what it includes: "FILE:LINE: sentence".
  std::string read_file(const std::string& path);
  // The text of a file called `name`.
  std::string read_text(std::string_view text, const std::string& name);
  // One line's words, the parameter's name first; at least one. The sentence names no place and is
  // one line, whatever the words are.
  std::string apply(std::span<const std::string> words);

  // Names that were given and have no effect here, each once, in order.
  const std::vector<std::string>& ineffective() const { return ineffective_; }

 private:
  std::string apply_words(std::span<const std::string> words);
  std::string rename_command(std::string_view from, const std::string& to);
  std::string include(const std::string& pattern);
  std::string in_directory(const std::string& path) const;
  void note_ineffective(std::string_view name);

  Config& config_;
  std::vector<std::string> ineffective_;
  bool has_save_ = false;  // the first save line replaces the default, later ones add to it
  std::size_t depth_ = 0;  // of includes
  // Where relative paths begin: what `dir` has said, before that "", where the process is. Redis
  // goes there with each `dir` line.
  std::string directory_;
};

}  // namespace respcask::server
