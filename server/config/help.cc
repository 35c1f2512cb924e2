// What `--help` and `--version` print.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "server/config/startup.h"
#include "server/config/table.h"

namespace respcask::server {
namespace {

constexpr std::string_view kUsage =
    R"(Usage: respcask-server [FILE] [--name value ...] [-]

A server that speaks the Redis protocol and keeps its data on disk.

FILE is a configuration file with the syntax of redis.conf. Parameters on the command line come
after the file and win over it. "-", as the first or the last argument, reads more parameters from
standard input.

  respcask-server                                    all defaults
  respcask-server respcask.conf --port 7000          a file, and another port
  echo 'maxmemory 128mb' | respcask-server -         parameters from standard input
  respcask-server --help, --version

Sizes take the units b, k, kb, m, mb, g, gb (1k is 1000, 1kb is 1024). Parameters marked with * can
only be given at the start; the others can be changed with CONFIG SET while the server runs.
)";

void describe(const Row& row, std::string& out) {
  out += "  ";
  out += row.name;
  if (row.is_fixed || row.is_protected) out += " *";
  if (!row.is_statement()) {
    out += " [";
    out += row.text.empty() ? "\"\"" : row.text;
    out += ']';
  }
  out += "\n      ";
  out += row.help;
  const std::string words = list_choices(row);
  if (!words.empty()) out += ": " + words;
  if (!row.also.empty()) {
    out += " (also: ";
    out += row.also;
    out += ')';
  }
  out += '\n';
}

}  // namespace

std::string help_text() {
  std::string out(kUsage);
  for (const RowGroup& group : row_groups()) {
    out += fmt::format("\n{}:\n", group.title);
    for (const Row& row : group.rows) describe(row, out);
  }
  return out;
}

std::string_view version_number() {
  return RESPCASK_VERSION;
}

std::string version_text() {
  return fmt::format("respcask {} (speaks the protocol of Redis {}, {} bits)", version_number(),
                     kRedisVersion, sizeof(void*) * 8);
}

}  // namespace respcask::server
