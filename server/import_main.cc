// respcask-import: turns a Redis snapshot into the commands that bring its keys back.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/result.h"
#include "resp/number.h"
#include "resp/writer.h"
#include "server/rdb/decode.h"
#include "server/rdb/snapshot.h"
#include "server/standard_streams.h"
#include "server/tool.h"

namespace respcask::server {
namespace {

constexpr int kDone = 0;
constexpr int kLeftOut = 1;

constexpr std::string_view kUsage =
    "usage: respcask-import [--databases N] SNAPSHOT | redis-cli [-h HOST] [-p PORT] --pipe\n"
    "\n"
    "Reads a snapshot of Redis (dump.rdb, of version 12 at most; - is standard input) and\n"
    "writes the commands that bring its keys back, with their databases and expiries and, but\n"
    "for collections of more than 1 MiB, what is known of their use. A key that is there\n"
    "already is replaced. Keys of databases from N (16) on are left out: where the server has\n"
    "fewer they would come into another one. Of any Redis that runs:\n"
    "\n"
    "  redis-cli -h OLD --rdb - | respcask-import - | redis-cli -h NEW --pipe\n"
    "\n"
    "Exit status: 0 all is written, 1 something was left out, as streams, modules' values and\n"
    "functions are, and counted on standard error, 2 the snapshot cannot be read to its end, or\n"
    "the commands cannot be written.\n";

// The elements of a command that adds to a collection.
constexpr size_t kElementsAtOnce = 1000;

// Writes requests to standard output, some at a time.
class Requests {
 public:
  // False: they cannot be written.
  bool add(std::span<const std::string> words) {
    resp::Writer request(text_);
    request.array(words.size());
    for (const std::string& word : words) request.bulk(word);
    constexpr size_t kAtOnce = 1 << 20;
    return text_.size() < kAtOnce || flush();
  }
  bool flush() {
    const bool written = std::fwrite(text_.data(), 1, text_.size(), stdout) == text_.size();
    text_.clear();
    return written && std::fflush(stdout) == 0;
  }

 private:
  std::string text_;
};

std::string score_text(double score) {
  std::string text(resp::kMaxDoubleChars, '\0');
  text.resize(static_cast<size_t>(resp::format_double(text.data(), score) - text.data()));
  return text;
}

// A collection's elements as the arguments of the command that adds them.
struct Added {
  std::string command;
  size_t words_each = 1;
  std::vector<std::string> words;
};

Added added_by(rdb::Value value) {
  if (auto* list = std::get_if<rdb::List>(&value)) return {"RPUSH", 1, std::move(list->elements)};
  if (auto* set = std::get_if<rdb::Set>(&value)) return {"SADD", 1, std::move(set->members)};
  Added added;
  added.words_each = 2;
  if (auto* hash = std::get_if<rdb::Hash>(&value)) {
    added.command = "HSET";
    for (auto& [field, text] : hash->fields) {
      added.words.push_back(std::move(field));
      added.words.push_back(std::move(text));
    }
    return added;
  }
  added.command = "ZADD";
  for (auto& [member, score] : std::get<rdb::SortedSet>(value).members) {
    added.words.push_back(score_text(score));
    added.words.push_back(std::move(member));
  }
  return added;
}

using Command = std::vector<std::string>;

// Since the epoch: what has none is 0, and what ended before it is past all the same.
std::string expiry_text(const rdb::Snapshot::Piece& piece) {
  return std::to_string(piece.expiry_ms ? std::max<int64_t>(*piece.expiry_ms, 1) : 0);
}

Command restore(const rdb::Snapshot::Piece& piece) {
  Command command{"RESTORE", piece.key, expiry_text(piece), piece.payload, "REPLACE", "ABSTTL"};
  if (piece.frequency) {
    command.insert(command.end(), {"FREQ", std::to_string(*piece.frequency)});
  } else if (piece.idle_s) {
    command.insert(command.end(), {"IDLETIME", std::to_string(*piece.idle_s)});
  }
  return command;
}

engine::Result<rdb::Value> value_of(const rdb::Snapshot::Piece& piece) {
  rdb::Decoded decoded = rdb::decode(piece.payload);
  if (auto* value = std::get_if<rdb::Value>(&decoded)) return std::move(*value);
  return engine::Error{engine::ErrorCode::kDamaged, "a value is not what it should be"};
}

std::vector<Command> add(const std::string& key, Added added) {
  const size_t at_once = kElementsAtOnce * added.words_each;
  std::vector<Command> commands;
  for (size_t begin = 0; begin < added.words.size(); begin += at_once) {
    const auto rest = std::span(added.words).subspan(begin);
    const auto part = rest.first(std::min(rest.size(), at_once));
    Command& command = commands.emplace_back(Command{added.command, key});
    command.insert(command.end(), part.begin(), part.end());
  }
  return commands;
}

// What brings a piece back: a value that is one piece by RESTORE, one that is several by adding the
// elements of each. Of those the expiry comes last, so that a part does not make a key anew that
// has expired meanwhile.
engine::Result<std::vector<Command>> commands_of(const rdb::Snapshot::Piece& piece) {
  // RESTORE's argument is longer than a string that it holds, and may not be longer than the
  // longest.
  constexpr size_t kLong = 256 << 20;
  const bool is_whole = piece.is_first && piece.is_last;
  if (is_whole && piece.payload.size() < kLong) return std::vector<Command>{restore(piece)};
  auto value = value_of(piece);
  if (!value) return value.error();
  std::vector<Command> commands;
  if (auto* string = std::get_if<rdb::String>(&*value)) {
    commands.push_back({"SET", piece.key, std::move(string->bytes)});
  } else {
    commands = add(piece.key, added_by(*std::move(value)));
    if (piece.is_first) commands.insert(commands.begin(), {"DEL", piece.key});
  }
  if (piece.is_last && piece.expiry_ms) {
    commands.push_back({"PEXPIREAT", piece.key, expiry_text(piece)});
  }
  return commands;
}

struct Written {
  uint64_t keys = 0;
  uint64_t beyond = 0;  // of databases that the server does not have: not written
};

// Writes the commands of all keys in the first `databases`. An error: of the snapshot or of the
// output.
engine::Result<Written> write_all(rdb::Snapshot& snapshot, Requests& requests, uint64_t databases) {
  const auto cannot_write = [] {
    return engine::Error{engine::ErrorCode::kIo,
                         std::string("cannot write: ") + std::strerror(errno)};
  };
  uint64_t db = 0;
  Written written;
  for (;;) {
    const auto next = snapshot.next();
    if (!next) return next.error();
    const rdb::Snapshot::Piece* const piece = *next;
    if (piece == nullptr) break;
    if (piece->db >= databases) {
      written.beyond += piece->is_last ? 1 : 0;
      continue;
    }
    if (piece->db != std::exchange(db, piece->db)) {
      const std::string select[] = {"SELECT", std::to_string(db)};
      if (!requests.add(select)) return cannot_write();
    }
    auto commands = commands_of(*piece);
    if (!commands) return commands.error();
    for (const auto& command : *commands) {
      if (!requests.add(command)) return cannot_write();
    }
    written.keys += piece->is_last ? 1 : 0;
  }
  if (!requests.flush()) return cannot_write();
  return written;
}

int import_file(std::FILE* file, uint64_t databases) {
  rdb::Snapshot snapshot(file);
  Requests requests;
  const auto written = write_all(snapshot, requests, databases);
  if (!written) {
    (void)requests.flush();  // what was read before
    say("{}\n", written.error().message);
    return kToolFailed;
  }
  say("{} keys\n", written->keys);
  const rdb::Snapshot::LeftOut& left = snapshot.left_out();
  const std::pair<uint64_t, std::string_view> all_left_out[] = {
      {written->beyond, "keys of databases that --databases does not allow for"},
      {left.streams, "streams"},
      {left.module_values, "values of modules"},
      {left.functions, "libraries of functions"}};
  int status = kDone;
  for (const auto& [count, what] : all_left_out) {
    if (count == 0) continue;
    say("left out: {} {}\n", count, what);
    status = kLeftOut;
  }
  return status;
}

struct Arguments {
  std::string name;
  uint64_t databases = 16;
};

std::optional<Arguments> parse(std::span<char* const> words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--databases" && i + 1 < words.size()) {
      const auto number = resp::parse_int64(words[++i]);
      if (!number || *number < 1) return std::nullopt;
      arguments.databases = static_cast<uint64_t>(*number);
    } else if (arguments.name.empty() && (word == "-" || !word.starts_with("-"))) {
      arguments.name = word;
    } else {
      return std::nullopt;
    }
  }
  if (arguments.name.empty()) return std::nullopt;
  return arguments;
}

int run(const Arguments& arguments) {
  const bool is_stdin = arguments.name == "-";
  std::FILE* const file = is_stdin ? stdin : std::fopen(arguments.name.c_str(), "rb");
  if (file == nullptr) {
    say("{}: {}\n", arguments.name, std::strerror(errno));
    return kToolFailed;
  }
  std::setvbuf(file, nullptr, _IOFBF, 1 << 20);
  const int status = import_file(file, arguments.databases);
  if (!is_stdin) std::fclose(file);
  return status;
}

}  // namespace
}  // namespace respcask::server

int main(int argc, char** argv) {
  using namespace respcask::server;
  return run_tool(argc, argv, kUsage, [](std::span<char* const> words) -> std::optional<int> {
    const auto arguments = parse(words);
    if (!arguments) return std::nullopt;
    return run(*arguments);
  });
}
