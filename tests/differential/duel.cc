#include "tests/differential/duel.h"

#include <algorithm>
#include <set>
#include <thread>

#include "tests/differential/differences.h"

namespace respcask::differential {
namespace {

constexpr int kAllDatabases = 16;

std::vector<Reply> ask_all(Connection& connection,
                           const std::vector<std::vector<std::string>>& list) {
  std::string bytes;
  for (const auto& args : list) bytes += encode(args);
  return connection.exchange(bytes, list.size(), nullptr);
}

Reply ask(Connection& connection, const std::vector<std::string>& args) {
  std::vector<Reply> replies = ask_all(connection, {args});
  return replies.empty() ? Reply{} : std::move(replies[0]);
}

// Whether the command reads the same as a line of words.
bool fits_inline(const std::vector<std::string>& args) {
  if (args.empty() || args[0].empty() || args[0][0] == '*') return false;
  return std::all_of(args.begin(), args.end(), [](const std::string& arg) {
    return !arg.empty() && arg.size() < 1000 && std::all_of(arg.begin(), arg.end(), [](char c) {
      return c > ' ' && c <= '~' && c != '"' && c != '\'' && c != '\\';
    });
  });
}

// The command that reads all of a value; empty for a type that is not compared.
std::vector<std::string> read_all(const std::string& type, const std::string& key) {
  if (type == "string") return {"GET", key};
  if (type == "hash") return {"HGETALL", key};
  if (type == "list") return {"LRANGE", key, "0", "-1"};
  if (type == "set") return {"SMEMBERS", key};
  if (type == "zset") return {"ZRANGE", key, "0", "-1", "WITHSCORES"};
  return {};
}

std::string both(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours) {
  std::string text = "  command:";
  for (const std::string& arg : args) text += " " + quote(arg);
  return text + "\n  redis:    " + describe(theirs) + "\n  respcask: " + describe(ours);
}

}  // namespace

std::string describe(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kSettle:
      return "   (wait until short expiries are over)";
    case Step::Kind::kVerify:
      return "   (compare all that is stored)";
    case Step::Kind::kMerge:
      return "   (merge)";
    case Step::Kind::kRestart:
      return "   (restart)";
    case Step::Kind::kKillRestart:
      return "   (kill -9 and restart)";
    case Step::Kind::kReconnect:
      return "   (reconnect)";
    case Step::Kind::kRaw:
      return "   (raw bytes) " + quote(step.args[0], 2000);
    case Step::Kind::kScan:
    case Step::Kind::kCommand:
      break;
  }
  std::string text = std::to_string(step.client) + ">";
  if (step.kind == Step::Kind::kScan) text += " (whole) SCAN";
  for (const std::string& arg : step.args) text += " " + quote(arg, 80);
  return text;
}

Duel::Duel(std::unique_ptr<Process> oracle, std::unique_ptr<Process> subject, Tampering tampering)
    : tampering_(std::move(tampering)) {
  oracle_.process = std::move(oracle);
  subject_.process = std::move(subject);
  for (Side* side : {&oracle_, &subject_}) {
    side->process->start();
    for (unsigned i = 0; i < kClients; ++i) {
      side->clients.push_back(std::make_unique<Connection>(side->process->port()));
    }
    side->auxiliary = std::make_unique<Connection>(side->process->port());
  }
}

bool Duel::knows(Side& side, const std::string& command) {
  const Reply info = ask(*side.auxiliary, {"COMMAND", "INFO", command});
  return info.items.size() == 1 && !info.items[0].items.empty();
}

std::vector<Generator::Choice> Duel::common_rows(const std::vector<std::string>& only,
                                                 std::vector<std::string>* skipped) {
  std::vector<Generator::Choice> rows;
  for (const Family& family : families()) {
    if (!only.empty() && std::find(only.begin(), only.end(), family.name) == only.end()) continue;
    std::set<std::string> lacking;
    const size_t before = rows.size();
    for (const Row& row : family.rows) {
      const std::vector<std::string> commands = row.commands();
      const auto lacks = [&](const std::string& command) {
        const bool lack =
            command != "val" && !(knows(oracle_, command) && knows(subject_, command));
        if (lack) lacking.insert(command);
        return lack;
      };
      if (std::count_if(commands.begin(), commands.end(), lacks) == 0) {
        rows.push_back({&family, &row});
      }
    }
    if (lacking.empty()) continue;
    std::string text = std::string(family.name) + ":";
    if (rows.size() == before) {
      text += " all of it";
    } else {
      for (const std::string& command : lacking) text += " " + command;
    }
    skipped->push_back(text);
  }
  return rows;
}

std::vector<std::string> Duel::common_names() {
  std::vector<std::string> names;
  for (const std::string_view name : command_names()) {
    if (knows(oracle_, std::string(name)) == knows(subject_, std::string(name))) {
      names.emplace_back(name);
    }
  }
  return names;
}

std::vector<std::string> Duel::uncovered() {
  std::set<std::string> covered;
  for (const Family& family : families()) {
    for (const Row& row : family.rows) {
      for (std::string& command : row.commands()) covered.insert(std::move(command));
    }
  }
  for (const NotCompared& command : not_compared()) covered.emplace(command.command);
  std::vector<std::string> names;
  for (const Reply& name : ask(*subject_.auxiliary, {"COMMAND", "LIST"}).items) {
    const Reply info = ask(*subject_.auxiliary, {"COMMAND", "INFO", name.text});
    constexpr size_t kSubcommands = 9;
    const Reply* subcommands = nullptr;
    if (info.items.size() == 1 && info.items[0].items.size() > kSubcommands) {
      subcommands = &info.items[0].items[kSubcommands];
    }
    if (subcommands == nullptr || subcommands->items.empty()) {
      if (!covered.contains(name.text)) names.push_back(name.text);
      continue;
    }
    for (const Reply& subcommand : subcommands->items) {
      const std::string& full = subcommand.items[0].text;
      if (!covered.contains(full)) names.push_back(full);
    }
  }
  return names;
}

void Duel::reconnect() {
  for (Side* side : {&oracle_, &subject_}) {
    for (auto& client : side->clients) client->reopen(side->process->port());
    side->auxiliary->reopen(side->process->port());
  }
  for (Client& client : clients_) client = {};
}

void Duel::reset() {
  if (subject_.process->died()) subject_.process->start();
  restarted_ = sorted_ = false;
  held_up_ = {};
  reconnect();
  for (Side* side : {&oracle_, &subject_}) {
    ask(*side->auxiliary, {"FLUSHALL"});
    side->dump.clear();
  }
}

std::string Duel::death_note() {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (!subject_.process->died()) return "";
  return "\n  the server has died: " + subject_.process->log_tail();
}

std::string Duel::request(const Step& step, const Side& side, const Side& other, bool tamper,
                          bool is_inline) const {
  std::vector<std::string> args = step.args;
  for (std::string& arg : args) {
    if (arg == kOtherDump) arg = other.dump.empty() ? side.dump : other.dump;
  }
  if (tamper && tampering_.request) tampering_.request(args);
  if (!is_inline) return encode(args);
  std::string line;
  for (const std::string& arg : args) line += arg + " ";
  return line + "\r\n";
}

void Duel::note_dump(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours) {
  if (lower(args[0]) != "dump" || theirs.type != '$' || theirs.null || ours.null) return;
  oracle_.dump = theirs.text;
  subject_.dump = ours.text;
}

// Whether two payloads of DUMP hold the same, in Redis's eyes. What they hold is put for a moment
// in a database of the oracle that no command selects.
bool Duel::same_value(const std::string& theirs, const std::string& ours) {
  Connection& connection = *oracle_.auxiliary;
  const std::vector<Reply> restored = ask_all(
      connection, {{"SELECT", "15"}, {"RESTORE", "1", "0", theirs}, {"RESTORE", "2", "0", ours}});
  const Reply type = ask(connection, {"TYPE", "1"});
  std::vector<std::string> read = read_all(type.text, "1");
  bool equal = restored.size() == 3 && restored[2].raw == restored[1].raw && !read.empty();
  if (equal) {
    const Reply one = ask(connection, read);
    read[1] = "2";
    equal = same(read, one, ask(connection, read));
  }
  ask(connection, {"DEL", "1", "2"});
  return equal;
}

bool Duel::agree(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours) {
  if (same(args, theirs, ours, held_up_)) return true;
  // Encodings tell how a value came about. A restart forgets that, in Redis as well: a string that
  // INCRBYFLOAT wrote is embstr before it and int behind it. The oracle is not restarted.
  if (restarted_ && args.size() == 3 && lower(args[0]) == "object" &&
      lower(args[1]) == "encoding") {
    return theirs.type == ours.type && theirs.null == ours.null && !theirs.is_error();
  }
  // SORT makes a skip list of a small sorted set. In Redis SORT_RO does so too; here it only reads.
  if (sorted_ && theirs.text == "skiplist" && ours.text == "listpack" && args.size() == 3 &&
      lower(args[0]) == "object" && lower(args[1]) == "encoding") {
    return true;
  }
  // A collection's elements follow a hash table's seed, but its encoding is told by the first byte.
  // A string has one payload only.
  if (lower(args[0]) != "dump" || theirs.type != '$' || ours.type != '$') return false;
  if (theirs.null || ours.null || theirs.text[0] == 0) return false;
  constexpr char kSkiplist = 5, kListpack = 17;
  const bool by_sorting = sorted_ && theirs.text[0] == kSkiplist && ours.text[0] == kListpack;
  const bool same_encoding = theirs.text[0] == ours.text[0] || restarted_ || by_sorting;
  return same_encoding && same_value(theirs.text, ours.text);
}

// What is wrong with a reply, and what it changes for later ones.
std::optional<std::string> Duel::judge(const Step& step, Reply& theirs, Reply& ours) {
  Client& client = clients_[step.client];
  if (tampering_.reply) tampering_.reply(step.args, ours);
  const std::string name = lower(step.args[0]);
  std::optional<std::string> wrong;
  if (name == "exec" && theirs.type == '*' && ours.type == '*' && !theirs.null && !ours.null &&
      theirs.items.size() == ours.items.size() && theirs.items.size() == client.queued.size()) {
    for (size_t i = 0; i < theirs.items.size() && !wrong; ++i) {
      if (!agree(client.queued[i], theirs.items[i], ours.items[i])) {
        wrong = "  within EXEC:\n" + both(client.queued[i], theirs.items[i], ours.items[i]);
      }
      note_dump(client.queued[i], theirs.items[i], ours.items[i]);
    }
  } else if (!agree(step.args, theirs, ours)) {
    wrong = both(step.args, theirs, ours);
  }
  note_dump(step.args, theirs, ours);
  sorted_ = sorted_ || name == "sort_ro";
  if (theirs.text == "QUEUED") {
    client.queued.push_back(step.args);
  } else if (name == "multi" && !theirs.is_error()) {
    client = {true, {}};
  } else if (step.args.size() == 1 && (name == "exec" || name == "discard" || name == "reset")) {
    client = {};
  }
  return wrong;
}

std::optional<std::string> Duel::batch(std::span<const Step> steps, Random* split, size_t* failed) {
  std::string to_oracle;
  std::string to_subject;
  for (const Step& step : steps) {
    const bool is_inline = split != nullptr && split->percent(3) && fits_inline(step.args);
    to_oracle += request(step, oracle_, subject_, false, is_inline);
    to_subject += request(step, subject_, oracle_, true, is_inline);
  }
  const unsigned client = steps[0].client;
  constexpr std::chrono::seconds kOrdinary{1};
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Reply> theirs = oracle_.clients[client]->exchange(to_oracle, steps.size(), nullptr);
  std::vector<Reply> ours = subject_.clients[client]->exchange(to_subject, steps.size(), split);
  const auto took = std::chrono::steady_clock::now() - begin;
  if (took > kOrdinary) held_up_ += std::chrono::ceil<std::chrono::milliseconds>(took);
  for (size_t i = 0; i < steps.size(); ++i) {
    *failed = i;
    if (i >= theirs.size() || i >= ours.size()) {
      return "  command: " + describe(steps[i]) +
             "\n  redis:    " + (i < theirs.size() ? describe(theirs[i]) : "no reply") +
             "\n  respcask: " + (i < ours.size() ? describe(ours[i]) : "no reply") + death_note();
    }
    if (auto wrong = judge(steps[i], theirs[i], ours[i])) return wrong;
  }
  return std::nullopt;
}

std::optional<std::string> Duel::scan(const Step& step) {
  if (clients_[step.client].in_multi) return std::nullopt;
  std::set<std::string> found[2];
  std::string error[2];
  Side* const sides[] = {&oracle_, &subject_};
  for (int i = 0; i < 2; ++i) {
    std::string cursor = "0";
    do {
      std::vector<std::string> args = step.args;
      args.insert(args.begin() + 1, cursor);
      const Reply reply = ask(*sides[i]->clients[step.client], args);
      if (reply.items.size() != 2 || !reply.items[1].is_aggregate()) {
        error[i] = reply.raw;
        break;
      }
      cursor = reply.items[0].text;
      for (const Reply& key : reply.items[1].items) found[i].insert(key.text);
    } while (cursor != "0");
  }
  if (found[0] == found[1] && error[0] == error[1]) return std::nullopt;
  std::string text =
      "  " + describe(step) + ": redis " + quote(error[0]) + ", respcask " + quote(error[1]) + "; ";
  for (const std::string& key : found[0]) {
    if (!found[1].contains(key)) text += " respcask lacks " + quote(key);
  }
  for (const std::string& key : found[1]) {
    if (!found[0].contains(key)) text += " only respcask has " + quote(key);
  }
  return text;
}

// What follows the bytes fills up whatever length they claimed, and comes to an end that can be
// told, unless the server closes before.
std::optional<std::string> Duel::raw(const Step& step) {
  std::string bytes = step.args[0];
  for (size_t i = 0; i < kMostAwaited; i += 6) bytes += "PING\r\n";
  const std::string last = "$3\r\nend\r\n";
  bytes += "ECHO end\r\n";
  const std::string theirs = Connection(oracle_.process->port()).converse(bytes, last);
  const std::string ours = Connection(subject_.process->port()).converse(bytes, last);
  if (theirs == ours) return std::nullopt;
  return "  " + describe(step) + "\n  redis:    " + quote(theirs, 500) + " (" +
         std::to_string(theirs.size()) + " bytes)\n  respcask: " + quote(ours, 500) + " (" +
         std::to_string(ours.size()) + " bytes)" + death_note();
}

// Expired keys are gone for every reader at once, but DBSIZE counts them until they are removed:
// waits until nothing is counted that cannot be read.
void Duel::settle() {
  std::this_thread::sleep_for(std::chrono::milliseconds(kLongestShortExpiryMs + 10));
  std::vector<std::vector<std::string>> look;
  for (int database = 0; database < kAllDatabases; ++database) {
    look.push_back({"SELECT", std::to_string(database)});
    look.push_back({"KEYS", "*"});
    look.push_back({"DBSIZE"});
  }
  const auto settled = [&](Side& side) {
    const std::vector<Reply> replies = ask_all(*side.auxiliary, look);
    for (size_t i = 0; i + 2 < replies.size(); i += 3) {
      if (std::to_string(replies[i + 1].items.size()) != replies[i + 2].text) return false;
    }
    return true;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (Side* side : {&oracle_, &subject_}) {
    while (!settled(*side) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

std::optional<std::string> Duel::verify_database(int database) {
  std::vector<Reply> keys;
  for (Side* side : {&oracle_, &subject_}) {
    ask(*side->auxiliary, {"SELECT", std::to_string(database)});
    keys.push_back(ask(*side->auxiliary, {"KEYS", "*"}));
  }
  const std::string where = "  database " + std::to_string(database) + ":\n";
  if (!same({"KEYS", "*"}, keys[0], keys[1])) return where + both({"KEYS", "*"}, keys[0], keys[1]);
  std::vector<std::vector<std::string>> questions;
  for (const Reply& key : keys[0].items) {
    questions.push_back({"TYPE", key.text});
    questions.push_back({"PTTL", key.text});
    questions.push_back({"OBJECT", "ENCODING", key.text});
  }
  std::vector<std::vector<std::string>> values;
  const std::vector<Reply> types = ask_all(*oracle_.auxiliary, questions);
  for (size_t i = 0; i + 2 < types.size(); i += 3) {
    std::vector<std::string> read = read_all(types[i].text, questions[i][1]);
    if (!read.empty()) values.push_back(std::move(read));
  }
  questions.insert(questions.end(), values.begin(), values.end());
  const std::vector<Reply> theirs = ask_all(*oracle_.auxiliary, questions);
  const std::vector<Reply> ours = ask_all(*subject_.auxiliary, questions);
  for (size_t i = 0; i < questions.size(); ++i) {
    if (i >= theirs.size() || i >= ours.size()) return where + "  no reply" + death_note();
    if (!agree(questions[i], theirs[i], ours[i])) {
      return where + both(questions[i], theirs[i], ours[i]);
    }
  }
  return std::nullopt;
}

std::optional<std::string> Duel::verify() {
  for (int database = 0; database < kAllDatabases; ++database) {
    if (auto wrong = verify_database(database)) return wrong;
  }
  return std::nullopt;
}

void Duel::restart(bool kill) {
  if (kill) {
    subject_.process->kill();
  } else {
    subject_.process->stop();
  }
  subject_.process->start();
  restarted_ = true;
  reconnect();
  if (tampering_.lose_everything_at_restart) ask(*subject_.auxiliary, {"FLUSHALL"});
}

std::optional<std::string> Duel::step_alone(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kScan:
      return scan(step);
    case Step::Kind::kRaw:
      return raw(step);
    case Step::Kind::kSettle:
      settle();
      return std::nullopt;
    case Step::Kind::kVerify:
      return verify();
    case Step::Kind::kMerge:
      ask(*subject_.auxiliary, {"BGREWRITEAOF"});
      return std::nullopt;
    case Step::Kind::kRestart:
    case Step::Kind::kKillRestart:
      restart(step.kind == Step::Kind::kKillRestart);
      return std::nullopt;
    case Step::Kind::kReconnect:
      reconnect();
      return std::nullopt;
    case Step::Kind::kCommand:
      break;
  }
  return std::nullopt;
}

std::optional<Mismatch> Duel::run(std::span<const Step> steps, std::optional<uint64_t> batching) {
  reset();
  Random random(batching.value_or(0));
  size_t i = 0;
  while (i < steps.size()) {
    if (steps[i].kind != Step::Kind::kCommand) {
      if (auto wrong = step_alone(steps[i])) return Mismatch{i, *wrong};
      ++i;
      continue;
    }
    const size_t most = batching ? 1 + random.below(random.percent(50) ? 3 : 64) : 1000;
    size_t end = i + 1;
    while (end < steps.size() && end - i < most && steps[end].kind == Step::Kind::kCommand &&
           steps[end].client == steps[i].client &&
           std::find(steps[end].args.begin(), steps[end].args.end(), kOtherDump) ==
               steps[end].args.end()) {
      ++end;
    }
    size_t failed = 0;
    if (auto wrong = batch(steps.subspan(i, end - i), batching ? &random : nullptr, &failed)) {
      return Mismatch{i + failed, *wrong};
    }
    i = end;
  }
  return std::nullopt;
}

}  // namespace respcask::differential
