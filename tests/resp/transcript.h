// Reads a stream through a Parser as a connection does, cut into arbitrary pieces, and records all
// that came out of it. Shared by the tests and the fuzz target.
//
// At every cut the unread bytes are copied to a new allocation of exactly their size and the last
// one is freed, so that under the address sanitizer a stale view or a read past the end stops
// the program.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"

namespace respcask::resp {

struct Transcript {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  size_t consumed = 0;  // Bytes that complete commands and blank lines took.
  size_t wanted = 0;    // As the parser says at the end of the stream.

  bool operator==(const Transcript&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Transcript& transcript) {
  for (const auto& command : transcript.commands) {
    for (const std::string& arg : command) out << '[' << arg << ']';
    out << '\n';
  }
  return out << "error: " << transcript.error << ", consumed " << transcript.consumed << ", wanted "
             << transcript.wanted;
}

// Feeds `stream` up to each of the ascending `cuts` in turn, then whole. Each time, the parser is
// called until it asks for more or fails.
inline Transcript read_stream(std::string_view stream, std::span<const size_t> cuts,
                              const Limits& limits = {}) {
  Parser parser(limits);
  Transcript transcript;
  std::unique_ptr<char[]> buffer;
  const auto feed = [&](size_t end) {
    std::string_view unread = stream.substr(transcript.consumed, end - transcript.consumed);
    auto moved = std::make_unique<char[]>(unread.size());
    std::copy(unread.begin(), unread.end(), moved.get());
    buffer = std::move(moved);
    unread = {buffer.get(), unread.size()};
    while (true) {
      switch (parser.parse(unread)) {
        case Parser::Status::kNeedMore:
          return true;
        case Parser::Status::kError:
          transcript.error = parser.error();
          return false;
        case Parser::Status::kCommand:
          transcript.commands.emplace_back(parser.args().begin(), parser.args().end());
          if (transcript.commands.back().empty()) std::abort();
          break;
        case Parser::Status::kEmpty:
          if (!parser.args().empty()) std::abort();
          break;
      }
      if (parser.consumed() == 0 || parser.consumed() > unread.size()) std::abort();
      transcript.consumed += parser.consumed();
      unread.remove_prefix(parser.consumed());
    }
  };
  for (const size_t cut : cuts) {
    if (!feed(cut)) return transcript;
  }
  if (feed(stream.size())) transcript.wanted = parser.wanted();
  return transcript;
}

}  // namespace respcask::resp
