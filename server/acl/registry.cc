#include "server/acl/registry.h"

#include <cassert>
#include <utility>

namespace respcask::server::acl {

Registry::Registry(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {
  users_.emplace(kDefaultUser, std::make_shared<const User>(initial_default()));
}

User Registry::initial_default() const {
  User user(kDefaultUser, vocabulary_.size(), AclPubsubDefault::kAllchannels);
  user.enabled = user.nopass = true;
  user.selectors.front().commands.allow_all();
  user.selectors.front().all_keys = true;
  return user;
}

UserPtr Registry::find(std::string_view name) const {
  std::lock_guard guard(mutex_);
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second;
}

UserPtr Registry::default_user() const {
  return find(kDefaultUser);
}

std::vector<UserPtr> Registry::all() const {
  std::lock_guard guard(mutex_);
  std::vector<UserPtr> all;
  all.reserve(users_.size());
  for (const auto& [name, user] : users_) all.push_back(user);
  return all;
}

std::optional<std::string> Registry::set(std::string_view name,
                                         std::span<const std::string_view> rules,
                                         AclPubsubDefault channels, Change& change) {
  std::lock_guard guard(mutex_);
  const auto found = users_.find(name);
  UserPtr before = found == users_.end() ? nullptr : found->second;
  User changed = before != nullptr ? *before : User(name, vocabulary_.size(), channels);
  if (auto wrong = apply_rules(changed, rules, {vocabulary_, channels})) return wrong;
  if (before == nullptr) changed.id = ++last_id_;
  change = {std::move(before), std::make_shared<const User>(std::move(changed))};
  users_.insert_or_assign(change.after->name, change.after);
  return std::nullopt;
}

UserPtr Registry::remove(std::string_view name) {
  assert(name != kDefaultUser);
  std::lock_guard guard(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return nullptr;
  UserPtr removed = std::move(found->second);
  users_.erase(found);
  return removed;
}

Change Registry::set_default_password(std::string_view password) {
  const std::string rule = password.empty() ? "nopass" : ">" + std::string(password);
  const std::string_view rules[] = {"resetpass", rule};
  Change change;
  const auto wrong = set(kDefaultUser, rules, AclPubsubDefault::kResetchannels, change);
  assert(!wrong);
  return change;
}

std::vector<Change> Registry::replace(std::vector<User> users) {
  std::lock_guard guard(mutex_);
  std::map<std::string, UserPtr, std::less<>> next;
  for (User& user : users) {
    user.id = user.name == kDefaultUser ? 0 : ++last_id_;
    std::string name = user.name;
    next.emplace(std::move(name), std::make_shared<const User>(std::move(user)));
  }
  if (!next.contains(kDefaultUser)) {
    next.emplace(kDefaultUser, std::make_shared<const User>(initial_default()));
  }
  std::vector<Change> changes;
  for (auto& [name, user] : users_) {
    changes.push_back({user, name == kDefaultUser ? next.find(name)->second : nullptr});
  }
  users_ = std::move(next);
  return changes;
}

}  // namespace respcask::server::acl
