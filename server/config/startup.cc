#include "server/config/startup.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "resp/split_args.h"
#include "server/config/reader.h"
#include "server/config/table.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

engine::Error invalid(std::string message) {
  return {engine::ErrorCode::kInvalid, std::move(message)};
}

// What the arguments ask for, before any of it is read.
struct Arguments {
  Startup::Action action = Startup::Action::kRun;
  std::string_view file;
  bool reads_input = false;
  std::vector<std::vector<std::string>> lines;  // name and words of each --name
};

// By Redis's rules: what follows a bare --name is its value, even if it begins with --. But for
// --save, which scripts write without any value.
engine::Result<Arguments> sort_arguments(std::span<const std::string_view> arguments) {
  Arguments sorted;
  bool wants_value = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const bool is_first = i == 0;
    if (argument == "-" && (is_first || i + 1 == arguments.size())) {
      sorted.reads_input = true;
      continue;
    }
    if (wants_value || (!argument.starts_with("--") && !sorted.lines.empty())) {
      sorted.lines.back().emplace_back(argument);
      wants_value = false;
      continue;
    }
    if (argument == "--help" || (is_first && argument == "-h")) {
      sorted.action = Startup::Action::kPrintHelp;
      return sorted;
    }
    if (argument == "--version" || (is_first && argument == "-v")) {
      sorted.action = Startup::Action::kPrintVersion;
      return sorted;
    }
    if (argument.starts_with("--")) {
      // "--port 7000" may also come as a single argument.
      auto words = resp::split_args(argument.substr(2));
      if (!words) return invalid(fmt::format("command line: unbalanced quotes in '{}'", argument));
      const bool is_next_name = i + 1 < arguments.size() && arguments[i + 1].starts_with("--");
      const bool is_save = equal_ignoring_case(argument, "--save");
      wants_value = words->size() <= 1 && !(is_save && is_next_name);
      sorted.lines.push_back(std::move(*words));
    } else if (is_first && !argument.starts_with('-')) {
      sorted.file = argument;
    } else {
      return invalid(fmt::format(
          "command line: '{}' is not expected here, parameters are given as --name value",
          argument));
    }
  }
  return sorted;
}

}  // namespace

engine::Result<Startup> parse_command_line(std::span<const std::string_view> arguments,
                                           std::istream& input) {
  auto sorted = sort_arguments(arguments);
  if (!sorted) return sorted.error();
  Startup startup;
  startup.action = sorted->action;
  if (startup.action != Startup::Action::kRun) return startup;

  Reader reader(startup.config);
  if (!sorted->file.empty()) {
    const std::string file(sorted->file);
    std::error_code error;
    startup.file = std::filesystem::absolute(file, error).lexically_normal().string();
    if (std::string wrong = reader.read_file(file); !wrong.empty())
      return invalid(std::move(wrong));
  }
  if (sorted->reads_input) {
    // Not by iterators, through which a read that fails would end the process.
    std::string text;
    for (char part[4096]; input.read(part, sizeof part) || input.gcount() > 0;) {
      text.append(part, static_cast<std::size_t>(input.gcount()));
    }
    if (input.bad()) return invalid("standard input: cannot be read");
    if (std::string wrong = reader.read_text(text, "standard input"); !wrong.empty()) {
      return invalid(std::move(wrong));
    }
  }
  for (std::vector<std::string>& line : sorted->lines) {
    if (line.empty()) continue;  // -- alone
    // As Redis has it, --save without anything means no snapshots.
    if (line.size() == 1 && equal_ignoring_case(line[0], "save")) line.emplace_back();
    if (const std::string wrong = reader.apply(line); !wrong.empty()) {
      return invalid("command line: " + wrong);
    }
  }
  if (const auto conflict = find_conflict(startup.config)) return invalid(conflict->sentence);
  startup.ineffective = reader.ineffective();
  return startup;
}

}  // namespace respcask::server
