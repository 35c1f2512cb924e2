#include "server/tool.h"

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

}  // namespace respcask::server
