// respcask-import: turns a Redis snapshot into the commands that bring its keys back.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>
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
    "the commands cannot be written. What Redis does not load, collections without elements,\n"
    "is no key.\n";

// The elements of a command that adds to a collection.
constexpr size_t kElementsAtOnce = 1000;
// RESTORE's argument is longer than a string that it holds, and may not be longer than the longest.
constexpr size_t kLong = 256 << 20;

// Writes requests to standard output, some at a time.
class Requests {
 public:
  // An error, here and from then on: they cannot be written.
  engine::Result<void> add(std::span<const std::string_view> words) {
    constexpr size_t kAtOnce = 1 << 20;
    resp::Writer request(text_);
    request.array(words.size());
    for (const std::string_view word : words) {
      if (word.size() < kAtOnce) {
        request.bulk(word);
      } else {  // which may be most of what memory has
        request.bulk_header(word.size());
        if (auto sent = flush(); !sent) return sent;
        print_text(word);
        request.crlf();
      }
    }
    return text_.size() < kAtOnce ? engine::Result<void>() : flush();
  }
  engine::Result<void> flush() {
    // Behind a part of a request nothing else would be read as what it is.
    if (auto sent = printed(); !sent) return sent;
    print_text(text_);
    text_.clear();
    return printed();
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

// Since the epoch: what has none is 0, and what ended before it is past all the same.
std::string expiry_text(const rdb::Snapshot::Piece& piece) {
  return std::to_string(piece.expiry_ms ? std::max<int64_t>(*piece.expiry_ms, 1) : 0);
}

// In seconds. A file can say more than a command takes; the clock of use has 24 bits, here and in
// Redis, which takes some of what is longer for no time at all.
std::string idle_text(uint64_t idle_s) {
  constexpr uint64_t kLongest = (1 << 24) - 1;
  return std::to_string(std::min(idle_s, kLongest));
}

engine::Error damaged(const std::string& key) {
  return {engine::ErrorCode::kDamaged,
          fmt::format("the value of key \"{}\" is not what it should be", printable(key))};
}

// What is in a piece; nothing if that is a collection without elements.
engine::Result<std::optional<rdb::Value>> value_of(const rdb::Snapshot::Piece& piece) {
  rdb::Decoded decoded = rdb::decode(piece.payload);
  if (auto* value = std::get_if<rdb::Value>(&decoded)) return std::optional(std::move(*value));
  if (std::get<rdb::DecodeError>(decoded) != rdb::DecodeError::kEmpty) return damaged(piece.key);
  return std::optional<rdb::Value>();
}

// Writes the commands that bring a snapshot's keys back.
class Import {
 public:
  // Keys of databases from `databases` on are left out.
  Import(std::FILE* file, uint64_t databases) : snapshot_(file), databases_(databases) {}

  // Returns the exit status, and says what it means.
  int run();

 private:
  // An error, here and below: of the snapshot or of the output.
  engine::Result<void> write_all();
  engine::Result<void> write(rdb::Snapshot::Piece& piece);
  engine::Result<void> write_string(const rdb::Snapshot::Piece& piece);
  engine::Result<void> select(uint64_t db);
  engine::Result<void> expire(const rdb::Snapshot::Piece& piece);
  void take_back_part();
  engine::Result<void> restore(const rdb::Snapshot::Piece& piece);
  engine::Result<void> add(const std::string& key, rdb::Value value);
  engine::Result<void> request(std::initializer_list<std::string_view> words) {
    return requests_.add({words.begin(), words.size()});
  }
  int say_left_out() const;

  rdb::Snapshot snapshot_;
  const uint64_t databases_;
  Requests requests_;
  uint64_t db_ = 0;
  std::string key_;     // at hand
  bool begun_ = false;  // something of it has been written, and not all
  uint64_t keys_ = 0;
  uint64_t beyond_ = 0;  // keys of databases that the server does not have
};

int Import::run() {
  const auto written = write_all();
  if (!written) {
    say("{}\n", written.error().message);
    take_back_part();
    (void)requests_.flush();  // what was read before
    return kToolFailed;
  }
  say("{} keys\n", keys_);
  return say_left_out();
}

engine::Result<void> Import::write_all() {
  for (;;) {
    const auto next = snapshot_.next();
    if (!next) return next.error();
    rdb::Snapshot::Piece* const piece = *next;
    if (piece == nullptr) break;
    if (piece->db >= databases_) {
      beyond_ += piece->is_last ? 1 : 0;
    } else if (auto written = write(*piece); !written) {
      return written;
    }
  }
  return requests_.flush();
}

// A part of a collection is no value that anybody had.
void Import::take_back_part() {
  if (!begun_) return;
  const bool removed = request({"DEL", key_}) && requests_.flush();
  say("key \"{}\" {}\n", printable(key_),
      removed ? "has not come as a whole and is removed" : "may be there in part");
}

// The first piece of a value is brought back by RESTORE, and the elements of others are added to
// it: adding the first as well would begin with a compact encoding, in which a score of -0 becomes
// 0. The first brings the expiry, which a part has should nothing more come, and the last again: a
// key that has expired meanwhile has been made anew.
engine::Result<void> Import::write(rdb::Snapshot::Piece& piece) {
  if (rdb::is_string(piece.payload)) return write_string(piece);
  auto value = value_of(piece);
  if (!value) return value.error();
  const bool first = !begun_;
  const bool restored = first && piece.payload.size() < kLong;
  if (*value) {
    if (auto sent = select(piece.db); !sent) return sent;
    key_ = piece.key;
    begun_ = true;
    if (first && !restored) {
      if (auto sent = request({"DEL", key_}); !sent) return sent;
    }
    if (!restored) std::exchange(piece.payload, {});  // it is as large as the value
    auto sent = restored ? restore(piece) : add(key_, **std::move(value));
    if (!sent) return sent;
  }
  if (begun_ && !restored && (first || piece.is_last)) {
    if (auto sent = expire(piece); !sent) return sent;
  }
  if (piece.is_last) keys_ += std::exchange(begun_, false) ? 1 : 0;
  return {};
}

engine::Result<void> Import::write_string(const rdb::Snapshot::Piece& piece) {
  std::string storage;
  const auto text = rdb::string_of(piece.payload, storage);
  if (!text) return damaged(piece.key);
  if (auto sent = select(piece.db); !sent) return sent;
  ++keys_;
  if (piece.payload.size() < kLong) return restore(piece);
  if (auto sent = request({"SET", piece.key, *text}); !sent) return sent;
  return expire(piece);
}

engine::Result<void> Import::select(uint64_t db) {
  if (db == std::exchange(db_, db)) return {};
  return request({"SELECT", std::to_string(db)});
}

engine::Result<void> Import::expire(const rdb::Snapshot::Piece& piece) {
  if (!piece.expiry_ms) return {};
  return request({"PEXPIREAT", piece.key, expiry_text(piece)});
}

engine::Result<void> Import::restore(const rdb::Snapshot::Piece& piece) {
  const std::string expiry = expiry_text(piece);
  std::vector<std::string_view> words{"RESTORE",     piece.key, expiry,
                                      piece.payload, "REPLACE", "ABSTTL"};
  std::string use;
  if (piece.frequency) {
    use = std::to_string(*piece.frequency);
    words.insert(words.end(), {"FREQ", use});
  } else if (piece.idle_s) {
    use = idle_text(*piece.idle_s);
    words.insert(words.end(), {"IDLETIME", use});
  }
  return requests_.add(words);
}

engine::Result<void> Import::add(const std::string& key, rdb::Value value) {
  const Added added = added_by(std::move(value));
  const size_t at_once = kElementsAtOnce * added.words_each;
  for (size_t begin = 0; begin < added.words.size(); begin += at_once) {
    const auto rest = std::span(added.words).subspan(begin);
    const auto part = rest.first(std::min(rest.size(), at_once));
    std::vector<std::string_view> words{added.command, key};
    words.insert(words.end(), part.begin(), part.end());
    if (auto sent = requests_.add(words); !sent) return sent;
  }
  return {};
}

// Returns the exit status.
int Import::say_left_out() const {
  const rdb::Snapshot::LeftOut& left = snapshot_.left_out();
  const std::pair<uint64_t, std::string_view> all_left_out[] = {
      {beyond_, "keys of databases that --databases does not allow for"},
      {left.streams, "streams"},
      {left.module_values, "values of modules"},
      {left.module_records, "records of modules beside the keys"},
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
  const int status = Import(file, arguments.databases).run();
  if (!is_stdin) std::fclose(file);
  return status;
}

}  // namespace
}  // namespace respcask::server

int main(int argc, char** argv) {
  using namespace respcask::server;
  return run_tool(argc, argv, kUsage, parse, run);
}
