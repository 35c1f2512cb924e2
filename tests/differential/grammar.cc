#include "tests/differential/grammar.h"

#include <algorithm>
#include <cctype>

namespace respcask::differential {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

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

}  // namespace

std::string Row::command() const {
  const size_t begin = pattern[0] == '(' || pattern[0] == '@' ? 1 : 0;
  const size_t end = std::min(pattern.find_first_of(" |", begin), pattern.size());
  const std::string name = lower(pattern.substr(begin, end - begin));
  for (const std::string_view container : {"object", "client", "command", "memory", "config"}) {
    if (name != container || end == pattern.size()) continue;
    const std::string_view rest = pattern.substr(end + 1);
    const std::string_view word = rest.substr(0, std::min(rest.find(' '), rest.size()));
    if (is_subcommand(word)) return name + "|" + lower(word);
  }
  return name;
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

std::vector<Step> Generator::episode(size_t commands, bool restarts) {
  std::vector<Step> steps;
  std::fill(std::begin(in_multi_), std::end(in_multi_), false);
  std::fill(std::begin(settle_at_exec_), std::end(settle_at_exec_), false);
  const auto greet = [&] {
    for (unsigned client = 0; client < kClients; ++client) {
      if (random_.percent(50)) steps.push_back({Step::Kind::kCommand, client, {"HELLO", "3"}});
      in_multi_[client] = false;
    }
  };
  greet();
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
    greet();
  }
  return steps;
}

void Generator::command(std::vector<Step>* steps, unsigned client) {
  if (random_.below(200) == 0) {
    steps->push_back({Step::Kind::kRaw, client, {raw_bytes(random_)}});
  }
  Step step;
  step.client = client;
  step_ = &step;
  short_expiry_ = false;
  if (in_multi_[client] && random_.percent(15)) {
    step.args = {random_.percent(85) ? "EXEC" : "DISCARD"};
  } else {
    const size_t at = random_.below(cumulative_.back());
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
    const Choice& choice = rows_[static_cast<size_t>(found - cumulative_.begin())];
    const char own = choice.family->letter;
    letter_ = own == '*' ? letters_[random_.below(letters_.size())] : own;
    expand(choice.row->pattern);
    if (choice.row->pattern.starts_with("@SCAN")) {
      step.kind = Step::Kind::kScan;
      step.args[0] = "SCAN";
    } else if (random_.percent(4)) {
      spoil();
    }
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
  step_ = nullptr;
  steps->push_back(std::move(step));
  if (settle) steps->push_back({Step::Kind::kSettle, client, {}});
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
  static constexpr std::string_view kNoNumbers[] = {"set",     "setex",   "psetex",   "getex",
                                                    "expire",  "pexpire", "expireat", "pexpireat",
                                                    "restore", "client",  "config"};
  std::vector<std::string>& args = step_->args;
  const std::string name = lower(args[0]);
  const bool careful =
      std::find(std::begin(kNoNumbers), std::end(kNoNumbers), name) != std::end(kNoNumbers);
  // Without its last argument a command of these is chance, or lists what each server has.
  static constexpr std::string_view kNeverShorter[] = {"command",     "scan",       "spop",
                                                       "srandmember", "hrandfield", "zrandmember"};
  const bool never_shorter = std::find(std::begin(kNeverShorter), std::end(kNeverShorter), name) !=
                             std::end(kNeverShorter);
  // A HELLO that is refused changes nothing in respcask; Redis keeps the name that it gave.
  if (name == "hello" && args.size() > 2) return;
  switch (careful ? random_.below(2) * 3 : random_.below(4)) {
    case 0:
      if (args.size() > 1 && !never_shorter) args.pop_back();
      break;
    case 1:
      generate("val", *this);
      break;
    case 2:
      if (args.size() > 1) {
        const size_t at = 1 + random_.below(args.size() - 1);
        generate("val", *this);
        args[at] = args.back();
        args.pop_back();
      }
      break;
    default:
      generate("word", *this);
      break;
  }
}

}  // namespace respcask::differential
