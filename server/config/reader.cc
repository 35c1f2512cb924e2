#include "server/config/reader.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <vector>

#include "resp/split_args.h"
#include "server/acl/vocabulary.h"
#include "server/command_table.h"
#include "server/config/table.h"
#include "server/letter_case.h"
#include "server/read_file.h"

namespace respcask::server {
namespace {

// A file that includes itself would otherwise never end.
constexpr std::size_t kMaxIncludeDepth = 16;

// Redis's own, those that this server has not among them: what calls EVAL otherwise is no mistake.
bool is_command_of_redis(std::string_view name) {
  static const CommandTable table;
  static const acl::Vocabulary vocabulary(table);
  return name.find('|') == name.npos && vocabulary.find(name) != nullptr;
}

// Parameters whose lines may end after the name, as in Redis: a list of nothing.
bool may_be_bare(const Row& row) {
  return row.kind == Kind::kSavePoints || row.kind == Kind::kPercentiles ||
         row.kind == Kind::kOutputLimits;
}

}  // namespace

std::string Reader::read_file(const std::string& path) {
  std::string text;
  if (const auto error = server::read_file(path, text)) {
    return fmt::format("{}: cannot open the configuration file: {}", path, error.message());
  }
  return read_text(text, path);
}

std::string Reader::read_text(std::string_view text, const std::string& name) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));

    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == line.npos || line[first] == '#') continue;
    const auto words = resp::split_args(line);
    if (!words) return fmt::format("{}:{}: unbalanced quotes", name, number);
    if (words->empty()) continue;
    std::string wrong = apply(*words);
    if (wrong.empty()) continue;
    return fmt::format("{}:{}: {}", name, number, wrong);
  }
  return {};
}

std::string Reader::apply(std::span<const std::string> words) {
  std::string wrong = apply_words(words);
  // It may quote what was given, which may hold line breaks: "\n" between double quotes does.
  for (char& c : wrong) {
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) c = '?';
  }
  return wrong;
}

std::string Reader::apply_words(std::span<const std::string> words) {
  const auto id = find_row(words[0]);
  if (!id) return fmt::format("unknown parameter '{}'", words[0]);
  const Row& row = row_at(*id);
  const auto rest = words.subspan(1);
  const std::string name = lower_case(words[0]);
  const auto wrong_count = [&] { return name + ": wrong number of arguments"; };

  switch (row.kind) {
    case Kind::kInclude:
      return rest.size() == 1 ? include(rest[0]) : wrong_count();
    case Kind::kLoadModule:
      return name + ": modules are not supported";
    case Kind::kUser:
      if (rest.empty()) return wrong_count();
      config_.users.emplace_back(rest.begin(), rest.end());
      return {};
    case Kind::kRenameCommand:
      if (rest.size() != 2) return wrong_count();
      return rename_command(rest[0], rest[1]);
    case Kind::kForgotten:
      if (rest.size() != 1) return wrong_count();
      note_ineffective(name);
      return {};
    default:
      break;
  }

  if (rest.empty() && !may_be_bare(row)) return wrong_count();
  const std::string before = row.kind == Kind::kSavePoints && has_save_ ? config_.inert[*id] : "";
  // Scripts that quote once too often mean it too, and Redis takes it from them.
  const bool quoted_none = row.kind == Kind::kSavePoints && rest.size() == 1 && rest[0] == "\"\"";
  std::vector<std::string> values(rest.begin(), rest.end());
  if (quoted_none) {
    values = {""};
  } else if (row.kind == Kind::kPath) {
    for (std::string& path : values) path = in_directory(path);
  } else if (row.takes_many() && rest.size() == 1 && !rest[0].empty()) {
    values = split_on_spaces(rest[0]);  // as CONFIG SET does: --save "900 1"
  }
  if (const std::string wrong = parse_value(*id, values, config_); !wrong.empty()) {
    return fmt::format("{}: {}", name, wrong);
  }
  if (row.kind == Kind::kSavePoints) {
    has_save_ = true;
    std::string& all = config_.inert[*id];
    if (rest.empty()) {
      all = before;
    } else if (!before.empty() && !all.empty()) {
      all = before + " " + all;
    }
  }
  if (row.kind == Kind::kPath) directory_ = config_.dir;
  if (row.is_inert()) note_ineffective(name);
  return {};
}

// As Redis does, line by line: each knows commands by the names that earlier ones have given them.
std::string Reader::rename_command(std::string_view from, const std::string& to) {
  auto& renamed = config_.renamed_commands;
  const auto called = [&](std::string_view name) {
    return std::ranges::find_if(
        renamed, [&](const auto& names) { return equal_ignoring_case(names.second, name); });
  };
  const auto has_own_name = [&](std::string_view name) {
    return is_command_of_redis(name) &&
           std::ranges::find(renamed, lower_case(name), &Config::Rename::first) == renamed.end();
  };
  const auto before = called(from);
  if (from.empty() || (before == renamed.end() && !has_own_name(from))) {
    return "No such command in rename-command";
  }
  const bool is_taken = called(to) != renamed.end() || has_own_name(to);
  if (!to.empty() && is_taken && !equal_ignoring_case(from, to)) {
    return "Target command name already exists";
  }
  if (before != renamed.end()) {
    before->second = to;
  } else {
    renamed.emplace_back(lower_case(from), to);
  }
  return {};
}

std::string Reader::in_directory(const std::string& path) const {
  return path.empty() ? path : (std::filesystem::path(directory_) / path).string();
}

std::string Reader::include(const std::string& pattern) {
  if (depth_ >= kMaxIncludeDepth) return "include: nested too deeply";
  const std::string full = in_directory(pattern);
  std::vector<std::string> files = {full};
  if (pattern.find_first_of("*?[") != std::string::npos) {
    files.clear();
    glob_t found{};
    if (::glob(full.c_str(), 0, nullptr, &found) == 0) {
      files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
  }
  ++depth_;
  std::string wrong;
  for (const std::string& file : files) {
    wrong = read_file(file);
    if (!wrong.empty()) break;
  }
  --depth_;
  return wrong;
}

void Reader::note_ineffective(std::string_view name) {
  if (std::ranges::find(ineffective_, name) == ineffective_.end()) ineffective_.emplace_back(name);
}

}  // namespace respcask::server
