// Registry: the users that a server has.
//
// Invariants: there is always a user "default"; a user that is handed out never changes, SETUSER
// puts a changed copy in its place. Ids are never used again, so that a session can tell that its
// user was deleted, even if there is a new one of that name; "default" keeps its id for ever.
// Any thread. It knows no sessions: change.h lets them feel what is changed here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/rules.h"
#include "server/acl/user.h"

namespace respcask::server::acl {

using UserPtr = std::shared_ptr<const User>;

inline constexpr std::string_view kDefaultUser = "default";

// A user as it was (null: there was none) and as it is (null: it is gone).
struct Change {
  UserPtr before;
  UserPtr after;
};

class Registry {
 public:
  // With the default user alone, who may do everything without a password.
  explicit Registry(const Vocabulary& vocabulary);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  UserPtr find(std::string_view name) const;  // null if there is none
  UserPtr default_user() const;
  std::vector<UserPtr> all() const;  // in the order of their names

  // Applies rules to a user, who is made if there is none. The error of apply_rules(); then nothing
  // is changed.
  std::optional<std::string> set(std::string_view name, std::span<const std::string_view> rules,
                                 AclPubsubDefault channels, Change& change);
  // Null if there is none. The default user must not be removed.
  UserPtr remove(std::string_view name);
  // What `requirepass` says: no other password, "" for none at all.
  Change set_default_password(std::string_view password);
  // Takes these users in place of all. Their names are unique; without a default user there is one
  // as at first. Returns what happened to each former user: all but the default user are gone.
  std::vector<Change> replace(std::vector<User> users);

 private:
  User initial_default() const;

  const Vocabulary& vocabulary_;
  mutable std::mutex mutex_;
  std::map<std::string, UserPtr, std::less<>> users_;
  uint64_t last_id_ = 0;  // the default user's is 0
};

}  // namespace respcask::server::acl
