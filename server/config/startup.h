// From a command line to a Config: `respcask-server [FILE] [--name value ...] [-]`.
//
// The file has the syntax of redis.conf: a parameter and its words a line, '#' comments, words in
// single or double quotes ("\n \r \t \b \a \xHH" between double ones), `include PATTERN` relative
// to the including file. Parameters on the command line come after the file and win. Everything
// here runs before any thread starts, owns what it returns, and touches no global state.
#pragma once

#include <istream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"
#include "server/config/config.h"

namespace respcask::server {

struct Startup {
  enum class Action { kRun, kPrintHelp, kPrintVersion };

  Action action = Action::kRun;
  Config config;
  std::string file;  // absolute path of FILE, "" if none
  // Parameters that were given and have no meaning here, each once, in order: to be logged once.
  std::vector<std::string> ineffective;
};

// Reads `arguments` (without the program's name), the file they name, and `input` if they contain a
// lone "-". What is wrong is kInvalid with one line saying where: "respcask.conf:12: unknown
// parameter 'prot'", "command line: --port: ...".
engine::Result<Startup> parse_command_line(std::span<const std::string_view> arguments,
                                           std::istream& input);

// The release of Redis whose replies this server gives.
inline constexpr std::string_view kRedisVersion = "7.0.15";
// Our own: "0.1.0".
std::string_view version_number();

// The whole of `--help`: every parameter with its default and description, by group.
std::string help_text();
// The one line of `--version`, without a line break.
std::string version_text();

}  // namespace respcask::server
