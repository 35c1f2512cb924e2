// What replies say, without their protocol.
//
// Pure functions of their arguments; any thread.
#pragma once

#include <string>
#include <string_view>

#include "tests/server/harness.h"

namespace respcask::server::testing {

// The words of a reply: "a 1 b 2".
inline std::string words(std::string_view reply) {
  std::string text;
  while (!reply.empty()) {
    const size_t end = reply.find("\r\n");
    const std::string_view line = reply.substr(0, end);
    reply.remove_prefix(end + 2);
    if (line[0] == '*') continue;
    if (!text.empty()) text += ' ';
    if (line[0] == '$' && line != "$-1") {
      const size_t size = std::stoul(std::string(line.substr(1)));
      text += reply.substr(0, size);
      reply.remove_prefix(size + 2);
    } else {
      text += line;
    }
  }
  return text;
}

// Those of the reply to a command.
inline std::string said(Harness& h, std::string_view line) {
  return words(h.run(line));
}

}  // namespace respcask::server::testing
