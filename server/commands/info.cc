// INFO: the sections of server/info.h.
#include "server/info.h"

#include "server/command_table.h"
#include "server/context.h"

namespace respcask::server {
namespace {

void cmd_info(Context& c) {
  c.reply().verbatim("txt", info_text(c, c.args().subspan(1)));
}

constexpr Argument kInfoArgs[] = {
    {.name = "section", .flags = kOptional | kMultiple},
};
constexpr HistoryEntry kInfoHistory[] = {
    {"7.0.0", "Added support for taking multiple section arguments."},
};
constexpr std::string_view kInfoTips[] = {"nondeterministic_output", "request_policy:all_shards",
                                          "response_policy:special"};
constexpr Command kRows[] = {
    {.name = "info",
     .handler = cmd_info,
     .arity = -1,
     .flags = kLoading | kStale | kOwnLocks,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Get information and statistics about the server",
     .arguments = kInfoArgs,
     .history = kInfoHistory,
     .tips = kInfoTips,
     .categories = kCatDangerous},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> info_commands() {
  return kRows;
}

}  // namespace respcask::server
