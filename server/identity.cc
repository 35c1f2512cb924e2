#include "server/identity.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/client_info.h"
#include "server/server.h"

namespace respcask::server {
namespace {

bool needs_no_password(const acl::User& user) {
  return user.nopass && user.enabled;
}

void log_lack(Turn& turn, const Session& session, acl::Lack lack, bool in_multi,
              std::string_view object, std::string_view user) {
  session.server.acl_log.add({.lack = lack,
                              .in_multi = in_multi,
                              .object = std::string(object),
                              .user = std::string(user),
                              .client_info = client_info(session, turn.now_ms()),
                              .time_ms = turn.now_ms()},
                             turn.config().acllog_max_len);
}

std::optional<acl::Lack> find_lack_of(Turn& turn, const Session& session, const acl::User& user,
                                      const TableEntry& command,
                                      std::span<const std::string_view> args, bool in_multi) {
  const auto denial = acl::find_denial(user, command, args);
  if (!denial) return std::nullopt;
  const std::string_view object = denial->lack == acl::Lack::kCommand
                                      ? std::string_view(command.full_name)
                                      : args[denial->argument];
  log_lack(turn, session, denial->lack, in_multi, object, user.name);
  return denial->lack;
}

// What the session may do by the users of now, which it takes over.
Access look_up(Session& session) {
  const acl::Registry& users = session.server.users;
  acl::UserPtr user = users.find(session.user->name);
  if (user == nullptr || user->id != session.user->id) return Access::kGone;
  if (user != session.user) session.set_user(std::move(user));
  if (!session.authenticated && !needs_no_password(*users.default_user())) {
    return Access::kUnauthenticated;
  }
  return session.user->allows_everything() ? Access::kAll : Access::kChecked;
}

}  // namespace

void become_default_user(Session& session) {
  session.set_user(session.server.users.default_user());
  session.authenticated = needs_no_password(*session.user);
  session.mark_stale();
  current_access(session);
}

bool authenticate(Turn& turn, Session& session, std::string_view user, std::string_view password,
                  std::string_view command, bool in_multi) {
  acl::UserPtr found = session.server.users.find(user);
  // A user that is not there takes as long as one that is.
  const acl::UserPtr asked = found != nullptr ? found : session.server.users.default_user();
  const bool right = asked->may_log_in(password) && found != nullptr;
  if (!right) {
    log_lack(turn, session, acl::Lack::kAuth, in_multi, command, user);
    return false;
  }
  session.set_user(std::move(found));
  session.authenticated = true;
  session.mark_stale();
  return true;
}

Access current_access(Session& session) {
  Access access = session.access;
  while (access == Access::kStale) {
    // Whoever changes users after this line makes it stale again, and it is not overwritten.
    if (!session.access.compare_exchange_strong(access, Access::kLooking)) continue;
    const Access found = look_up(session);
    if (found == Access::kGone) {
      session.mark_gone();
      return found;
    }
    access = Access::kLooking;
    if (session.access.compare_exchange_strong(access, found)) return found;
  }
  return access;
}

Permissions permissions_in_transaction(Session& session) {
  const Access access = current_access(session);
  if (access != Access::kGone) return {access, session.user};
  const acl::Registry& users = session.server.users;
  acl::UserPtr user = users.find(session.user->name);
  if (user == nullptr || user->id != session.user->id) user = users.default_user();
  return {user->allows_everything() ? Access::kAll : Access::kChecked, std::move(user)};
}

std::optional<acl::Lack> find_lack(Turn& turn, Session& session, const TableEntry& command,
                                   std::span<const std::string_view> args, bool in_multi) {
  switch (current_access(session)) {
    case Access::kAll:
      return std::nullopt;
    case Access::kGone:
      return acl::Lack::kCommand;
    default:
      return find_lack_of(turn, session, *session.user, command, args, in_multi);
  }
}

std::optional<acl::Lack> find_queued_lack(Turn& turn, Session& session,
                                          const Permissions& permissions, const TableEntry& command,
                                          std::span<const std::string_view> args) {
  if (permissions.access == Access::kAll) return std::nullopt;
  return find_lack_of(turn, session, *permissions.user, command, args, true);
}

void confirm_subscription(Session& session, std::string_view channel, bool is_pattern) {
  if (session.access != Access::kStale) return;
  if (current_access(session) != Access::kAll &&
      !acl::may_use_channel(*session.user, channel, is_pattern)) {
    session.disconnect_after_reply();
  }
}

bool is_client_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace respcask::server
