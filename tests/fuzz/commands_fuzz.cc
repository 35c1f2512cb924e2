// Fuzz target: whatever commands clients send, each gets one well-formed reply, nothing ends the
// process, and a restart changes nothing of what there is.
//
// Input: a byte of options (1: RESP3; 2: something of every type is there already; 4: and large;
// all others zero: on a server of its own that is started again at the end), then steps. A step is
// a byte: 255 starts again a server of its own, 254 goes on with the other client, anything else is
// half of what chooses a command of the table; its arguments follow, a byte or some for each. Most
// inputs run on the server of those before them, emptied, which is a hundred times as fast.
//
// Left out are commands that sleep, end the process, fill the memory by design or silence a client.
#include <ctime>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/letter_case.h"
#include "server/log.h"
#include "tests/engine/faulty_file.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/resp_check.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr std::string_view kKeys[] = {"s", "l", "h", "S", "z", "{s}2", "x", "L", "H", "T", "Z", ""};
constexpr std::string_view kWords[] = {
    "0",
    "1",
    "2",
    "-1",
    "-2",
    "3",
    "10",
    "100",
    "1000",
    "-100",
    "1.5",
    "-0",
    "1e3",
    "inf",
    "-inf",
    "nan",
    "(1",
    "(2",
    "[a",
    "(b",
    "-",
    "+",
    "[",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775807",
    "18446744073709551616",
    "4294967296",
    "-4611686018427387905",
    "4611686018427387904",
    "1e400",
    "0x10",
    " 1",
    "01",
    "",
    "a",
    "b",
    "c",
    "f1",
    "m1",
    "*",
    "[a-z]*",
    "NX",
    "XX",
    "GT",
    "LT",
    "CH",
    "INCR",
    "EX",
    "PX",
    "EXAT",
    "PXAT",
    "KEEPTTL",
    "PERSIST",
    "GET",
    "SET",
    "INCRBY",
    "OVERFLOW",
    "WRAP",
    "SAT",
    "FAIL",
    "u8",
    "i64",
    "u63",
    "i5",
    "#1",
    "#0",
    "AND",
    "OR",
    "XOR",
    "NOT",
    "BIT",
    "BYTE",
    "MATCH",
    "COUNT",
    "TYPE",
    "string",
    "WEIGHTS",
    "AGGREGATE",
    "SUM",
    "MIN",
    "MAX",
    "WITHSCORES",
    "WITHVALUES",
    "WITHSCORE",
    "BYSCORE",
    "BYLEX",
    "REV",
    "LIMIT",
    "LEFT",
    "RIGHT",
    "BEFORE",
    "AFTER",
    "RANK",
    "MAXLEN",
    "STORE",
    "BY",
    "ASC",
    "DESC",
    "ALPHA",
    "nosort",
    "w_*",
    "w_*->f",
    "#",
    "DB",
    "REPLACE",
    "ABSTTL",
    "IDLETIME",
    "FREQ",
    "LEN",
    "IDX",
    "MINMATCHLEN",
    "WITHMATCHLEN",
    "FROMMEMBER",
    "FROMLONLAT",
    "BYRADIUS",
    "BYBOX",
    "km",
    "m",
    "ft",
    "WITHCOORD",
    "WITHDIST",
    "WITHHASH",
    "ANY",
    "STOREDIST",
    "13.36",
    "38.11",
    "15.08",
    "37.5",
    "180",
    "85.06",
    "ENCODING",
    "REFCOUNT",
    "HELP",
    "USAGE",
    "SAMPLES",
    "DIGEST",
    "OBJECT",
    "RELOAD",
    "DIGEST-VALUE",
    "PROTOCOL",
    "LISTPACK",
    "ASYNC",
    "SYNC",
    "LIMIT",
    "on",
    "off",
    "default",
    "~*",
    "+@all",
    "nopass",
    "get",
    "set",
    "-@all",
    "maxmemory",
    "ch",
    "__keyspace@0__:s",
    "CHANNELS",
    "NUMSUB",
    "NODES",
    "2",
    "3",
    "AUTH",
    "SETNAME",
    "stats",
    "all",
    "DISCARD",
    "k1",
    "k2",
    "0.1",
    "5",
    "7",
    "8",
    "16",
    "64",
    "255",
    "256",
};

bool is_left_out(const TableEntry& entry) {
  static const std::set<std::string_view> names = {"shutdown",   "client|pause", "client|reply",
                                                   "pfselftest", "config|set",   "monitor"};
  return names.contains(entry.full_name);
}

bool has_own_server(uint8_t options) {
  return options >= 248;
}

class Fuzzed {
 public:
  Fuzzed()
      : harness_({"proto-max-bulk-len", "1048576", "notify-keyspace-events", "KEA",
                  "client-output-buffer-limit", "pubsub 0 0 0", "loglevel", "warning"},
                 {}, &disk_) {
    log_open(*harness_.config->snapshot());
    for (size_t i = 0; i < harness_.server->commands.size(); ++i) {
      if (!is_left_out(harness_.server->commands.at(i))) allowed_.push_back(i);
    }
  }

  void run(uint8_t options, Input input) {
    protocol_ = (options & 1) != 0 ? 3 : 2;
    at_ = 0;
    last_.clear();
    if (!clients_[0]) connect();
    for (const auto& client : clients_) client->use_protocol(protocol_);
    if ((options & 2) != 0) fill(4);
    if ((options & 4) != 0) fill(150);
    while (!input.empty()) {
      const uint8_t step = input.byte();
      if (step == 255) {
        if (has_own_server(options)) restart();
      } else if (step == 254) {
        at_ = 1 - at_;
      } else {
        command(allowed_[(step + size_t{input.byte()} * 254) % allowed_.size()], input);
      }
    }
    if (has_own_server(options)) restart();
  }

  // Makes it what it was before any input, but for the numbers of clients and the like. False: that
  // takes another server.
  bool clear() {
    for (const auto& client : clients_) client->run("reset");
    chatty_ = false;
    Client& client = *clients_[0];
    client.run({"acl", "setuser", "default", "reset", "on", "nopass", "~*", "&*", "+@all"});
    return client.run("acl users").starts_with("*1\r\n") && client.run("flushall") == "+OK\r\n";
  }

 private:
  void connect() {
    for (auto& client : clients_) {
      client = std::make_unique<Client>(harness_);
      client->use_protocol(protocol_);
    }
    chatty_ = false;
  }

  void disconnect() {
    for (auto& client : clients_) client = nullptr;
  }

  // Something of every type, in one record or, with many elements, in one for each.
  void fill(int elements) {
    const bool large = elements > 100;
    const std::string_view names[] = {large ? "x" : "s", large ? "L" : "l", large ? "H" : "h",
                                      large ? "T" : "S", large ? "Z" : "z"};
    std::vector<std::string> list{"RPUSH", std::string(names[1])};
    std::vector<std::string> hash{"HSET", std::string(names[2])};
    std::vector<std::string> set{"SADD", std::string(names[3])};
    std::vector<std::string> sorted{"ZADD", std::string(names[4])};
    for (int i = 0; i < elements; ++i) {
      const std::string element = "m" + std::to_string(i) + (large ? "-of-some-length" : "");
      list.push_back(element);
      hash.insert(hash.end(), {element, "v"});
      set.push_back(element);
      sorted.insert(sorted.end(), {std::to_string(i / 2), element});
    }
    const std::string text(size_t(elements) * 100, 'a');
    for (auto& args :
         {std::vector<std::string>{"SET", std::string(names[0]), text}, list, hash, set, sorted}) {
      clients_[0]->run(args);
    }
  }

  std::string argument(Input& input, bool is_first) {
    const uint8_t choice = input.byte();
    if (is_first ? choice < 200 : choice < 40) return std::string(kKeys[choice % std::size(kKeys)]);
    if (choice < 248) return std::string(kWords[input.byte() % std::size(kWords)]);
    if (choice == 248) return last_;
    std::string raw(input.bytes(choice - 248));
    // Numbers between these and the extremes above ask for replies of gigabytes.
    const bool is_number = raw.find_first_not_of("+-0123456789") == std::string::npos;
    return is_number ? raw.substr(0, 4) : raw;
  }

  void command(size_t index, Input& input) {
    const TableEntry& entry = harness_.server->commands.at(index);
    std::vector<std::string> args;
    if (entry.parent != nullptr) args.emplace_back(entry.parent->row->name);
    args.emplace_back(entry.row->name);
    const size_t named = args.size();
    const int arity = entry.row->arity;
    const uint8_t more = input.byte();
    const size_t least = static_cast<size_t>(std::abs(arity));
    // Now and then too few or too many.
    size_t count = least + (arity < 0 ? more % 8 : 0);
    if (more >= 248) count = named + more % 4;
    while (args.size() < count) args.push_back(argument(input, args.size() == named));
    if (entry.full_name == "debug" && args.size() > 1 &&
        (equal_ignoring_case(args[1], "sleep") || equal_ignoring_case(args[1], "populate"))) {
      return;
    }
    Client& client = *clients_[at_];
    chatty_ |= (entry.flags & kSubscribes) != 0 || entry.row->group == Group::kPubsub ||
               entry.full_name == "client|tracking" || entry.full_name == "reset" ||
               entry.full_name == "exec";
    const std::string reply = client.run(args);
    check(client, reply);
    for (const auto& other : clients_) check_pushed(other->pushed());
    if (client.blocked() || client.closed()) {
      disconnect();
      connect();
    }
  }

  void check(Client& client, const std::string& reply) {
    size_t values = 0;
    require(fuzz::count_values(reply, values), "a reply is not well-formed");
    if (chatty_ || client.blocked() || client.closed()) return;
    require(values == 1, "a command got no reply, or more than one");
    if (reply.starts_with('$') && reply.size() < 600) {
      const size_t begin = reply.find('\n') + 1;
      last_ = reply.size() < begin + 2 ? "" : reply.substr(begin, reply.size() - begin - 2);
    }
  }

  void check_pushed(const std::string& pushed) {
    size_t values = 0;
    require(fuzz::count_values(pushed, values), "what is pushed is not well-formed");
    require(chatty_ || values == 0, "something is pushed that nobody asked for");
  }

  // What the digest is of; nothing if the default user may not ask.
  std::string state() {
    std::string all;
    Client client(harness_);
    for (const std::string_view line : {"debug digest", "dbsize", "select 1", "dbsize"}) {
      const std::string reply = client.run(line);
      if (reply.starts_with('-')) return {};
      all += reply;
    }
    return all;
  }

  // Takes away what would expire meanwhile.
  void settle() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t soon_ms = (int64_t{now.tv_sec} + 60) * 1000;
    Client client(harness_);
    for (uint32_t db = 0; db < harness_.store->options().databases; ++db) {
      std::vector<std::string> keys;
      for (uint32_t i = 0; i < harness_.store->shard_count(); ++i) {
        engine::Shard& shard = harness_.store->shard(i);
        std::lock_guard guard(shard);
        uint64_t cursor = 0;
        do {
          cursor = shard.keydir(db).scan(
              cursor, [&](std::string_view key, const engine::KeydirEntry& entry) {
                if (entry.expiry_ms != 0 && entry.expiry_ms < soon_ms) keys.emplace_back(key);
              });
        } while (cursor != 0);
      }
      if (keys.empty()) continue;
      client.run({"select", std::to_string(db)});
      for (const std::string& key : keys) client.run({"del", key});
    }
  }

  void restart() {
    disconnect();
    harness_.run("acl setuser default reset on nopass ~* &* +@all");
    settle();
    const std::string before = state();
    harness_.restart();
    require(before.empty() || state() == before, "a restart changed what there is");
    connect();
  }

  engine::FaultyFileSystem disk_;
  Harness harness_;
  int protocol_ = 2;
  std::vector<size_t> allowed_;  // by index in the table
  std::unique_ptr<Client> clients_[2];
  size_t at_ = 0;
  bool chatty_ = false;  // clients get what is no reply, or several replies
  std::string last_;     // a bulk that was answered
};

}  // namespace
}  // namespace respcask::server::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace respcask::server::testing;
  static std::unique_ptr<Fuzzed> kept;
  static int runs = 0;
  constexpr int kMostRuns = 1000;  // its files grow
  respcask::fuzz::Input input(data, size);
  const uint8_t options = input.byte();
  if (has_own_server(options)) {
    Fuzzed().run(options, input);
    return 0;
  }
  if (++runs == kMostRuns) kept.reset();
  if (!kept) {
    kept = std::make_unique<Fuzzed>();
    runs = 0;
  }
  kept->run(options, input);
  if (!kept->clear()) kept.reset();
  return 0;
}
