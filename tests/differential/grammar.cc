#include "tests/differential/grammar.h"

#include <algorithm>

#include "tests/differential/reply.h"

namespace respcask::differential {
namespace {

size_t matching_close(std::string_view pattern, size_t open) {
  size_t depth = 0;
  for (size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == '(' || pattern[i] == '[') ++depth;
    if (pattern[i] == ')' || pattern[i] == ']') {
      if (--depth == 0) return i;
    }
  }
  return pattern.size() - 1;
}

std::vector<std::string_view> alternatives(std::string_view inner) {
  std::vector<std::string_view> list;
  size_t depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= inner.size(); ++i) {
    if (i == inner.size() || (inner[i] == '|' && depth == 0)) {
      list.push_back(inner.substr(begin, i - begin));
      begin = i + 1;
    } else if (inner[i] == '(' || inner[i] == '[') {
      ++depth;
    } else if (inner[i] == ')' || inner[i] == ']') {
      --depth;
    }
  }
  return list;
}

bool is_subcommand(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(),
                                      [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

bool is_container(std::string_view name) {
  static constexpr std::string_view kContainers[] = {"object", "client", "command",  "memory",
                                                     "config", "pubsub", "slowlog",  "latency",
                                                     "script", "acl",    "function", "cluster"};
  return std::find(std::begin(kContainers), std::end(kContainers), name) != std::end(kContainers);
}

// Without "@MULTI ", and with SCAN for "@SCAN".
std::string_view body(std::string_view pattern) {
  static constexpr std::string_view kMulti = "@MULTI ";
  if (pattern.starts_with(kMulti)) return pattern.substr(kMulti.size());
  return pattern.starts_with('@') ? pattern.substr(1) : pattern;
}

}  // namespace

std::string Row::command() const {
  return commands().front();
}

std::vector<std::string> Row::commands() const {
  const std::string_view text = body(pattern);
  const bool group = text[0] == '(';
  size_t end = group ? matching_close(text, 0) + 1 : text.find(' ');
  end = std::min(end, text.size());
  std::vector<std::string> names;
  for (const std::string_view name :
       alternatives(group ? text.substr(1, end - 2) : text.substr(0, end))) {
    names.push_back(lower(name));
  }
  if (group || !is_container(names[0]) || end == text.size()) return names;
  const std::string_view rest = text.substr(end + 1);
  const bool choice = rest[0] == '(';
  const size_t stop = choice ? matching_close(rest, 0) : rest.find(' ');
  const std::string_view words = rest.substr(choice ? 1 : 0, choice ? stop - 1 : stop);
  const std::string container = names[0];
  names.clear();
  for (const std::string_view word : alternatives(words)) {
    if (is_subcommand(word)) names.push_back(container + "|" + lower(word));
  }
  return names.empty() ? std::vector{container} : names;
}

Generator::Generator(std::vector<Choice> rows, std::vector<std::string> names, uint64_t seed)
    : rows_(std::move(rows)), names_(std::move(names)), random_(seed) {
  uint64_t sum = 0;
  for (const Choice& choice : rows_) {
    sum += choice.row->weight;
    cumulative_.push_back(sum);
    const char letter = choice.family->letter;
    if (letter != '*' && letters_.find(letter) == std::string::npos) letters_ += letter;
  }
  if (letters_.empty()) letters_.push_back('s');
}

void Generator::greet(std::vector<Step>* steps) {
  for (unsigned client = 0; client < kClients; ++client) {
    if (random_.percent(50)) steps->push_back({Step::Kind::kCommand, client, {"HELLO", "3"}});
    in_multi_[client] = false;
  }
}

std::vector<Step> Generator::episode(size_t commands, bool restarts) {
  std::vector<Step> steps;
  std::fill(std::begin(settle_at_exec_), std::end(settle_at_exec_), false);
  greet(&steps);
  // Between restarts, or once an episode, all that is stored is compared.
  const size_t stretch = restarts ? std::max<size_t>(commands / 6, 500) : commands;
  size_t sent = 0;
  while (sent < commands) {
    const size_t until = std::min(commands, sent + stretch);
    while (sent < until) {
      const auto client = static_cast<unsigned>(random_.below(kClients));
      const size_t run = 1 + random_.below(random_.percent(50) ? 4 : 40);
      for (size_t i = 0; i < run; ++i, ++sent) command(&steps, client);
    }
    steps.push_back({Step::Kind::kVerify, 0, {}});
    if (!restarts) continue;
    // The restart may well come in the middle of it.
    steps.push_back({Step::Kind::kMerge, 0, {}});
    steps.push_back({random_.percent(50) ? Step::Kind::kRestart : Step::Kind::kKillRestart, 0, {}});
    steps.push_back({Step::Kind::kVerify, 0, {}});
    greet(&steps);
  }
  return steps;
}

std::vector<Step> Generator::extremes(const Choice& choice, size_t variants) {
  std::vector<Step> steps;
  std::fill(std::begin(settle_at_exec_), std::end(settle_at_exec_), false);
  greet(&steps);
  const auto fill = [&](size_t commands) {
    for (size_t i = 0; i < commands; ++i) {
      const Choice& other = draw();
      // Nothing that may begin or end a transaction, or leave the client subscribed.
      if (other.family->letter == '*' || other.row->in_transaction()) continue;
      if (choice.family->letter != '*' && other.family->letter != choice.family->letter) continue;
      add(&steps, make(other, 0), false, short_expiry_);
    }
  };
  fill(400);
  for (size_t i = 0; i < variants; ++i) {
    const auto client = static_cast<unsigned>(random_.below(kClients));
    const Step plain = make(choice, client);
    const std::vector<Slot> slots = slots_;
    const bool settle = short_expiry_;
    add(&steps, plain, choice.row->in_transaction(), settle);
    for (const Slot& slot : slots) {
      for (const std::string_view extreme : slot.extremes) {
        Step step = plain;
        step.args[slot.argument] = extreme;
        add(&steps, std::move(step), choice.row->in_transaction(), settle);
        if (random_.percent(10)) fill(20);
      }
    }
  }
  steps.push_back({Step::Kind::kVerify, 0, {}});
  return steps;
}

const Generator::Choice& Generator::draw() {
  const size_t at = random_.below(cumulative_.back());
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
  return rows_[static_cast<size_t>(found - cumulative_.begin())];
}

Step Generator::make(const Choice& choice, unsigned client) {
  Step step;
  step.client = client;
  step_ = &step;
  short_expiry_ = false;
  slots_.clear();
  const char own = choice.family->letter;
  letter_ = own == '*' ? letters_[random_.below(letters_.size())] : own;
  expand(body(choice.row->pattern));
  if (choice.row->is_scan()) step.kind = Step::Kind::kScan;
  step_ = nullptr;
  return step;
}

void Generator::add(std::vector<Step>* steps, Step step, bool in_transaction, bool settle) {
  const unsigned client = step.client;
  const bool wrap = in_transaction && !in_multi_[client];
  if (wrap) steps->push_back({Step::Kind::kCommand, client, {"MULTI"}});
  step.needs_multi = wrap;
  steps->push_back(std::move(step));
  if (wrap) steps->push_back({Step::Kind::kCommand, client, {"EXEC"}});
  if (settle) steps->push_back({Step::Kind::kSettle, client, {}});
}

void Generator::command(std::vector<Step>* steps, unsigned client) {
  if (random_.below(200) == 0) {
    steps->push_back({Step::Kind::kRaw, client, {raw_bytes(random_)}});
  }
  if (in_multi_[client] && random_.percent(15)) {
    in_multi_[client] = false;
    const bool settle = settle_at_exec_[client];
    settle_at_exec_[client] = false;
    add(steps, {Step::Kind::kCommand, client, {random_.percent(85) ? "EXEC" : "DISCARD"}}, false,
        settle);
    return;
  }
  const Choice& choice = draw();
  if (choice.row->in_transaction() && in_multi_[client]) return;  // where it began nobody knows
  Step step = make(choice, client);
  if (!choice.row->is_scan() && random_.percent(4)) {
    step_ = &step;
    spoil();
    step_ = nullptr;
  }
  const bool scan = step.kind == Step::Kind::kScan;
  const std::string name = scan || step.args.empty() ? "" : lower(step.args[0]);
  const bool alone = step.args.size() == 1;
  bool settle = short_expiry_;
  if (name == "multi" && alone) in_multi_[client] = true;
  if ((name == "exec" || name == "discard" || name == "reset") && alone) {
    settle = settle || settle_at_exec_[client];
    in_multi_[client] = settle_at_exec_[client] = false;
  }
  if (settle && in_multi_[client]) settle_at_exec_[client] = true;
  // How a value is kept shows only when asked.
  const bool look =
      choice.family->letter != '*' && !scan && step.args.size() > 1 && random_.percent(25);
  const std::string looked_at = look ? step.args[1] : "";
  add(steps, std::move(step), choice.row->in_transaction(), settle);
  if (look) {
    steps->push_back({Step::Kind::kCommand, client, {"OBJECT", "ENCODING", looked_at}});
  }
}

void Generator::expand(std::string_view pattern) {
  size_t i = 0;
  while (i < pattern.size()) {
    if (pattern[i] == ' ') {
      ++i;
      continue;
    }
    const bool group = pattern[i] == '(' || pattern[i] == '[';
    size_t end = group ? matching_close(pattern, i) + 1 : pattern.find(' ', i);
    if (end == std::string_view::npos) end = pattern.size();
    std::string_view item = pattern.substr(i, end - i);
    bool repeated = false;
    if (group && end < pattern.size() && pattern[end] == '+') {
      repeated = true;
      ++end;
    } else if (!group && item.size() > 1 && item.back() == '+') {
      repeated = true;
      item.remove_suffix(1);
    }
    expand_item(item, repeated);
    i = end;
  }
}

void Generator::expand_item(std::string_view item, bool repeated) {
  if (item[0] == '[' && !random_.percent(40)) return;
  size_t times = 1;
  if (repeated) times = random_.percent(50) ? 1 : 1 + random_.below(4);
  for (size_t i = 0; i < times; ++i) {
    if (item[0] == '[' || item[0] == '(') {
      const auto list = alternatives(item.substr(1, item.size() - 2));
      expand(list[random_.below(list.size())]);
    } else if (!generate(item, *this)) {
      emit(random_.percent(10) ? lower(item) : std::string(item));
    }
  }
}

// What a careless client sends: an argument too few, too many, or not what was meant. A small
// number at random would be an expiry that ends at a time of its own, or another client's death:
// not there.
void Generator::spoil() {
  static constexpr std::string_view kNoNumbers[] = {
      "set",      "setex",     "psetex",  "getex",          "expire", "pexpire",
      "expireat", "pexpireat", "restore", "restore-asking", "client", "config"};
  std::vector<std::string>& args = step_->args;
  const std::string name = lower(args[0]);
  const bool careful =
      std::find(std::begin(kNoNumbers), std::end(kNoNumbers), name) != std::end(kNoNumbers);
  // Without its last argument a command of these is chance, or lists what each server has.
  static constexpr std::string_view kNeverShorter[] = {
      "command", "scan",   "spop",   "srandmember", "hrandfield", "zrandmember",
      "slowlog", "pubsub", "memory", "client",      "lolwut"};
  const bool never_shorter = std::find(std::begin(kNeverShorter), std::end(kNeverShorter), name) !=
                             std::end(kNeverShorter);
  // A HELLO that is refused changes nothing in respcask; Redis keeps the name that it gave.
  if (name == "hello" && args.size() > 2) return;
  // These would be answered by more than one reply, or by none.
  if (name.ends_with("subscribe") || name == "wait" || name == "shutdown") return;
  // A number for a port would make a replica of Redis, which refuses writes from then on.
  if (name == "replicaof" || name == "slaveof") return;
  // The name of a command would ask how long it took.
  if (name == "latency") return;
  switch (careful ? random_.below(2) * 3 : random_.below(4)) {
    case 0:
      if (args.size() > 1 && !never_shorter) args.pop_back();
      break;
    case 1:
      generate("val", *this);
      break;
    case 2:
      // With another key or count the answers of these are chance.
      if (args.size() > 1 && !name.ends_with("randmember") && name != "hrandfield" &&
          name != "spop") {
        const size_t at = 1 + random_.below(args.size() - 1);
        generate("val", *this);
        args[at] = args.back();
        args.pop_back();
      }
      break;
    default:
      // A pattern would list what each server has.
      if (name != "config") generate("word", *this);
      break;
  }
}

}  // namespace respcask::differential
