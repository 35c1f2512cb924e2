// respcask-import: turns a Redis snapshot into the commands that bring its keys back.
#include <fmt/format.h>

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

namespace respcask::server {
namespace {

constexpr int kDone = 0;
constexpr int kLeftOut = 1;
constexpr int kUnreadable = 2;

constexpr std::string_view kUsage =
    "usage: respcask-import SNAPSHOT | redis-cli [-h HOST] [-p PORT] --pipe\n"
    "\n"
    "Reads a snapshot of Redis (dump.rdb, of version 12 at most; - is standard input) and writes "
    "the\n"
    "commands that bring its keys back, with their databases, expiries and what is known of their "
    "use.\n"
    "A key that is there already is replaced. Of any Redis that runs:\n"
    "\n"
    "  redis-cli -h OLD --rdb - | respcask-import - | redis-cli -h NEW --pipe\n"
    "\n"
    "Exit status: 0 all is written, 1 streams, modules' values or functions were left out, which "
    "are\n"
    "counted on standard error, 2 the snapshot cannot be read to its end.\n";

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

Added added_by(rdb::Value&& value) {
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

Command restore(const rdb::Snapshot::Piece& piece) {
  Command command{"RESTORE",     piece.key, std::to_string(piece.expiry_ms),
                  piece.payload, "REPLACE", "ABSTTL"};
  if (piece.frequency) {
    command.insert(command.end(), {"FREQ", std::to_string(*piece.frequency)});
  } else if (piece.idle_s) {
    command.insert(command.end(), {"IDLETIME", std::to_string(*piece.idle_s)});
  }
  return command;
}

// What brings a piece back: the first of a value by RESTORE, the others by adding their elements.
engine::Result<std::vector<Command>> commands_of(const rdb::Snapshot::Piece& piece) {
  if (piece.is_first) return std::vector<Command>{restore(piece)};
  rdb::Decoded decoded = rdb::decode(piece.payload);
  if (!std::holds_alternative<rdb::Value>(decoded)) {
    return engine::Error{engine::ErrorCode::kDamaged, "a collection is not what it should be"};
  }
  const Added added = added_by(std::get<rdb::Value>(std::move(decoded)));
  const size_t at_once = kElementsAtOnce * added.words_each;
  std::vector<Command> commands;
  for (size_t begin = 0; begin < added.words.size(); begin += at_once) {
    const auto rest = std::span(added.words).subspan(begin);
    const auto part = rest.first(std::min(rest.size(), at_once));
    Command& command = commands.emplace_back(Command{added.command, piece.key});
    command.insert(command.end(), part.begin(), part.end());
  }
  // It may have expired between two pieces, and been made anew without one.
  if (piece.is_last && piece.expiry_ms != 0) {
    commands.push_back({"PEXPIREAT", piece.key, std::to_string(piece.expiry_ms)});
  }
  return commands;
}

// Writes the commands of all keys; how many keys. An error: of the snapshot or of the output.
engine::Result<uint64_t> write_all(rdb::Snapshot& snapshot, Requests& requests) {
  const auto cannot_write = [] {
    return engine::Error{engine::ErrorCode::kIo,
                         std::string("cannot write: ") + std::strerror(errno)};
  };
  uint64_t db = 0;
  uint64_t keys = 0;
  for (;;) {
    const auto next = snapshot.next();
    if (!next) return next.error();
    const rdb::Snapshot::Piece* const piece = *next;
    if (piece == nullptr) break;
    if (piece->db != std::exchange(db, piece->db)) {
      const std::string select[] = {"SELECT", std::to_string(db)};
      if (!requests.add(select)) return cannot_write();
    }
    auto commands = commands_of(*piece);
    if (!commands) return commands.error();
    for (const auto& command : *commands) {
      if (!requests.add(command)) return cannot_write();
    }
    keys += piece->is_last ? 1 : 0;
  }
  if (!requests.flush()) return cannot_write();
  return keys;
}

int run(std::FILE* file) {
  rdb::Snapshot snapshot(file);
  Requests requests;
  const auto keys = write_all(snapshot, requests);
  if (!keys) {
    (void)requests.flush();  // what was read before
    fmt::print(stderr, "{}\n", keys.error().message);
    return kUnreadable;
  }
  fmt::print(stderr, "{} keys\n", *keys);
  const rdb::Snapshot::LeftOut& left = snapshot.left_out();
  if (left.streams + left.module_values + left.functions == 0) return kDone;
  fmt::print(stderr, "left out: {} streams, {} values of modules, {} libraries of functions\n",
             left.streams, left.module_values, left.functions);
  return kLeftOut;
}

}  // namespace
}  // namespace respcask::server

int main(int argc, char** argv) {
  using namespace respcask::server;
  if (!open_standard_streams()) return kUnreadable;
  const std::string_view name = argc == 2 ? argv[1] : "";
  if (name == "--help") {
    fmt::print("{}", kUsage);
    return kDone;
  }
  if (name.empty() || (name != "-" && name.starts_with("-"))) {
    fmt::print(stderr, "{}", kUsage);
    return kUnreadable;
  }
  std::FILE* const file = name == "-" ? stdin : std::fopen(argv[1], "rb");
  if (file == nullptr) {
    fmt::print(stderr, "{}: {}\n", name, std::strerror(errno));
    return kUnreadable;
  }
  std::setvbuf(file, nullptr, _IOFBF, 1 << 20);
  const int status = run(file);
  if (file != stdin) std::fclose(file);
  return status;
}
