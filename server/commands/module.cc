// MODULE: what a Redis answers that has no modules. None can be loaded here.
#include "server/command_table.h"
#include "server/context.h"

namespace respcask::server {
namespace {

void cmd_module_list(Context& c) {
  c.reply().array(0);
}

void cmd_module_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "LIST",
      "    Return a list of loaded modules.",
  };
  c.help(kLines);
}

constexpr std::string_view kModuleListTips[] = {"nondeterministic_output_order"};
constexpr Command kModuleSubcommands[] = {
    {.name = "help",
     .handler = cmd_module_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "list",
     .handler = cmd_module_list,
     .arity = 2,
     .flags = kAdmin | kNoscript,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of loaded modules.",
     .summary = "List all modules loaded by the server",
     .tips = kModuleListTips},
};
constexpr Command kRows[] = {
    {.name = "module",
     .arity = -2,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for module commands",
     .subcommands = kModuleSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> module_commands() {
  return kRows;
}

}  // namespace respcask::server
