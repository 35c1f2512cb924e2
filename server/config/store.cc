#include "server/config/store.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cassert>
#include <cctype>

#include "resp/number.h"
#include "server/config/rewrite.h"
#include "server/config/table.h"
#include "server/glob.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

std::string failed(std::string_view name, std::string_view why) {
  return fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why);
}

// Redis applies addresses to listen on even if they stay, and so may have to blame them.
bool is_applied(RowId id, const Config& from, const Config& to) {
  return row_at(id).kind == Kind::kWords || !same_value(id, from, to);
}

// Redis does so when it applies a change, not when it reads a file.
void raise_if_changed(RowId id, const Config& from, Config& to) {
  const int64_t least = row_at(id).least_set;
  if (least == 0 || same_value(id, from, to)) return;
  if (resp::parse_int64(to.inert[id]).value_or(0) < least) to.inert[id] = std::to_string(least);
}

// One of the arguments of CONFIG GET. Without wildcards it is a name: a backslash in it is a
// backslash.
class NamePattern {
 public:
  explicit NamePattern(std::string_view text)
      : text_(text), has_wildcards_(text.find_first_of("*?[") != text.npos) {}
  bool has_wildcards() const { return has_wildcards_; }
  std::string_view text() const { return text_; }
  bool matches(const RowName& known) const {
    if (has_wildcards_) return !row_at(known.id).is_hidden && glob_match(text_, known.name, true);
    return equal_ignoring_case(text_, known.name);
  }

 private:
  std::string_view text_;
  bool has_wildcards_;
};

bool may_set_protected(const Config& config, bool is_local) {
  return config.enable_protected_configs == Permission::kYes ||
         (config.enable_protected_configs == Permission::kLocal && is_local);
}

}  // namespace

ConfigStore::ConfigStore(Config initial, std::string file)
    : file_(std::move(file)), current_(std::make_shared<const Config>(std::move(initial))) {}

std::shared_ptr<const Config> ConfigStore::snapshot() const {
  const std::lock_guard lock(current_mutex_);
  return current_;
}

void ConfigStore::on_change(std::initializer_list<std::string_view> names, Hook hook) {
  Hooked hooked;
  for (const std::string_view name : names) {
    const auto id = find_row(name);
    assert(id && !row_at(*id).is_statement());
    hooked.rows.push_back(*id);
  }
  hooked.hook = std::move(hook);
  hooks_.push_back(std::move(hooked));
}

std::vector<std::pair<std::string_view, std::string>> ConfigStore::get(
    std::span<const std::string_view> patterns) const {
  const auto config = snapshot();
  const std::vector<NamePattern> wanted(patterns.begin(), patterns.end());
  std::vector<std::pair<std::string_view, std::string>> found;
  for (const RowName& known : parameter_names()) {
    const auto pattern =
        std::ranges::find_if(wanted, [&](const NamePattern& each) { return each.matches(known); });
    if (pattern == wanted.end()) continue;
    found.emplace_back(pattern->has_wildcards() ? known.name : pattern->text(),
                       render_value(known.id, *config));
  }
  return found;
}

std::optional<std::string> ConfigStore::look_up(std::span<const std::string_view> words,
                                                bool is_local, std::vector<Pair>& pairs) const {
  if (words.size() % 2 != 0) return "ERR syntax error";
  const bool may_protected = may_set_protected(*current_, is_local);
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const auto id = find_row(words[i]);
    if (!id || row_at(*id).is_statement()) {
      return fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                         words[i].substr(0, words[i].find('\0')));  // as a C string, as Redis
    }
    const Row& row = row_at(*id);
    std::string name = lower_case(words[i]);
    if (row.accepts_itself && words[i + 1] == render_value(*id, *current_)) continue;
    // These name it as it was typed, later complaints as it is written in the table.
    if (row.is_protected && !may_protected) return failed(words[i], "can't set protected config");
    if (row.is_fixed) return failed(words[i], "can't set immutable config");
    // Redis counts a name and its alias as two parameters here; the later one wins.
    const bool is_twice = std::ranges::find(pairs, name, &Pair::name) != pairs.end();
    if (is_twice) return failed(words[i], "duplicate parameter");
    pairs.push_back({std::move(name), *id, words[i + 1]});
  }
  return std::nullopt;
}

std::optional<std::string> ConfigStore::run_hooks(std::span<const Pair> pairs, const Config& from,
                                                  const Config& to) const {
  struct Due {
    const Pair* pair;
    const Hooked* hooked;
  };
  std::vector<Due> due;
  for (const Pair& pair : pairs) {
    if (!is_applied(pair.row, from, to)) continue;
    for (const Hooked& hooked : hooks_) {
      const bool is_asked = std::ranges::find(hooked.rows, pair.row) != hooked.rows.end();
      const bool is_due = std::ranges::find(due, &hooked, &Due::hooked) != due.end();
      if (is_asked && !is_due) due.push_back({&pair, &hooked});
    }
  }
  for (auto next = due.begin(); next != due.end(); ++next) {
    const auto refusal = next->hooked->hook(from, to);
    if (!refusal) continue;
    std::string reply = failed(next->pair->name, *refusal);
    while (next != due.begin()) {
      --next;
      next->hooked->hook(to, from);
    }
    return reply;
  }
  return std::nullopt;
}

std::optional<std::string> ConfigStore::set(std::span<const std::string_view> words,
                                            bool is_local) {
  const std::lock_guard set_lock(set_mutex_);
  std::vector<Pair> pairs;
  if (auto wrong = look_up(words, is_local, pairs)) return wrong;

  // Only set() replaces current_, and it holds set_mutex_: reading it here needs no second lock.
  const Config& from = *current_;
  auto next = std::make_shared<Config>(from);
  for (const Pair& pair : pairs) {
    const std::vector<std::string> values = row_at(pair.row).takes_many()
                                                ? split_on_spaces(pair.value)
                                                : std::vector{std::string(pair.value)};
    const std::string wrong = parse_value(pair.row, values, *next);
    if (!wrong.empty()) return failed(pair.name, wrong);
    raise_if_changed(pair.row, from, *next);
  }
  if (const auto conflict = find_conflict(*next)) {
    const auto blamed = std::ranges::find(pairs, conflict->id, &Pair::row);
    return failed(blamed == pairs.end() ? pairs.front().name : blamed->name, conflict->sentence);
  }
  if (auto refused = run_hooks(pairs, from, *next)) return refused;

  const std::lock_guard current_lock(current_mutex_);
  current_ = std::move(next);
  version_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

engine::Result<void> ConfigStore::rewrite(std::optional<std::span<const std::string>> user_lines) {
  if (file_.empty()) {
    return engine::Error{engine::ErrorCode::kInvalid,
                         "The server is running without a config file"};
  }
  const std::lock_guard set_lock(set_mutex_);
  return rewrite_file(file_, *current_, user_lines);
}

bool is_secret_parameter(std::string_view name) {
  const auto id = find_row(name);
  return id && row_at(*id).is_secret;
}

}  // namespace respcask::server
