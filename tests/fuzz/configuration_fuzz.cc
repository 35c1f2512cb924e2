// Fuzz target: whatever a configuration file says, it is read or refused with one line, and what
// was read is written so that it is read back: by line, by CONFIG REWRITE, and over any other file.
//
// Input: two files, one after the other, each made of lines. A line is a byte that says how many
// words follow (255: the file ends), then for each word a byte that chooses it: a parameter's name
// for the first, a word of the table below or of the bytes that follow for the others.
#include <string>
#include <vector>

#include "resp/split_args.h"
#include "server/config/reader.h"
#include "server/config/rewrite.h"
#include "server/config/table.h"
#include "tests/fuzz/input.h"

namespace respcask::server {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr std::string_view kWords[] = {
    "yes",
    "no",
    "0",
    "1",
    "-1",
    "10",
    "16",
    "100",
    "700",
    "1024",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "1gb",
    "64MB",
    "3k",
    "10%",
    "100%",
    "101%",
    "4294967296",
    "normal",
    "slave",
    "replica",
    "pubsub",
    "local",
    "always",
    "everysec",
    "debug",
    "notice",
    "warning",
    "allkeys-lru",
    "noeviction",
    "volatile-ttl",
    "auto",
    "systemd",
    "local0",
    "user",
    "relative",
    "KEA",
    "Kx",
    "g$lshzxet",
    "22-5",
    "0-23",
    "24-1",
    "50",
    "99.9",
    "100.0",
    "1e2",
    "\"\"",
    "''",
    "\"a b\"",
    "'a\\'b'",
    "\"\\n\"",
    "\"\\x00\\xff\"",
    "\"",
    "'",
    "#",
    "# x",
    "\\",
    "$",
    "127.0.0.1",
    "-::1",
    "*",
    "/tmp/x",
    "x",
    "../y",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "-9223372036854775808",
    "0777",
    "888",
    "3600 1 300 100 60 10000",
    "60 1000",
    "0 0 0",
    "256mb 64mb 60",
    "on nopass ~* +@all",
    "default",
    "latest",
    "clients",
    "resetchannels",
    "allchannels",
    "1.5",
    "nan",
};

// Not so that a file of this machine is read.
bool is_include(std::string_view line) {
  const auto words = resp::split_args(line);
  if (!words || words->empty()) return false;
  const auto row = find_row(words->front());
  return row && row_at(*row).kind == Kind::kInclude;
}

std::string file_of(Input& input) {
  std::string text;
  while (!input.empty()) {
    const uint8_t words = input.byte();
    if (words == 255) break;
    const auto& names = parameter_names();
    std::string line;
    switch (input.byte() % 8) {
      case 0:
        line = input.bytes(input.below(24));
        break;
      case 1:
        line = "user";
        break;
      case 2:
        line = "rename-command";
        break;
      default:
        line = names[input.below(names.size())].name;
    }
    for (int i = words % 8; i > 0; --i) {
      const size_t choice = input.byte();
      line += ' ';
      line += choice < 240 ? kWords[choice % std::size(kWords)] : input.bytes(choice - 239);
    }
    std::erase(line, '\n');
    if (!is_include(line)) text += line + "\n";
  }
  return text;
}

void require_same(const Config& one, const Config& other, const char* what) {
  for (RowId id = 0; id < row_count(); ++id) {
    if (row_at(id).is_statement() || same_value(id, one, other)) continue;
    std::fprintf(stderr, "%s: '%s', '%s': ", std::string(row_at(id).name).c_str(),
                 render_value(id, one).c_str(), render_value(id, other).c_str());
    require(false, what);
  }
}

// One parameter after the other that is not as in `known`, as CONFIG REWRITE writes it.
void check_lines(const Config& config, const Config& known) {
  Config again = known;
  for (RowId id = 0; id < row_count(); ++id) {
    if (row_at(id).is_statement() || same_value(id, config, known)) continue;
    const auto words = resp::split_args(render_words(id, config));
    require(words.has_value(), "what is written has no words");
    require(words->empty() || parse_value(id, *words, again).empty(), "what is written is refused");
  }
  require_same(config, again, "what is written is read as something else");
}

// Reads `text`; nothing if it is refused.
bool read(const std::string& text, Config& config) {
  Reader reader(config);
  const std::string wrong = reader.read_text(text, "f");
  require(wrong.find_first_of(std::string("\r\n\0", 3)) == std::string::npos,
          "a refusal is more than a line");
  return wrong.empty();
}

void check_rewrite(const std::string& text, const Config& wanted) {
  const std::string written = rewrite_text(text, wanted, std::nullopt);
  Config again;
  require(read(written, again), "a rewritten file is refused");
  require_same(wanted, again, "a rewritten file says something else");
  require(rewrite_text(written, wanted, std::nullopt) == written,
          "a rewritten file is rewritten once more");
}

void run(Input input) {
  const std::string one = file_of(input);
  const std::string other = file_of(input);
  Config config;
  const bool is_read = read(one, config);
  find_conflict(config);
  static const Config defaults;
  check_lines(config, defaults);
  if (is_read) {
    check_rewrite(one, config);
    check_rewrite(one, defaults);
    const std::string said = one + "dir " + render_words(*find_row("dir"), config) + "\n";
    require(rewrite_text(said, config, std::nullopt) == said,
            "a file that says what is wanted was changed");
  }
  Config other_config;
  if (read(other, other_config)) check_rewrite(other, config);
}

}  // namespace
}  // namespace respcask::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::server::run({data, size});
  return 0;
}
