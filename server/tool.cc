#include "server/tool.h"

#include <fmt/format.h>

#include "server/standard_streams.h"

namespace respcask::server {

int run_tool(int argc, char** argv, std::string_view usage,
             engine::FunctionRef<std::optional<int>(std::span<char* const> words)> run) {
  if (!open_standard_streams()) return kToolFailed;
  const std::span<char* const> words(argv + 1, argv + (argc > 0 ? argc : 1));
  int status = 0;
  if (words.size() == 1 && words[0] == std::string_view("--help")) {
    print_text(usage);
  } else if (const std::optional<int> ended = run(words)) {
    status = *ended;
  } else {
    say_text(usage);
    return kToolFailed;
  }
  if (status == kToolFailed) return status;
  if (const auto written = printed(); !written) {
    say("{}\n", written.error().message);
    return kToolFailed;
  }
  return status;
}

std::string printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '"';
    text += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return text;
}

}  // namespace respcask::server
