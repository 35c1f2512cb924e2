// Who a client is, and what it may do: users and names, shared by dispatch, AUTH, HELLO and
// CLIENT SETNAME.
//
// A session remembers the user that it runs as (Session::user) and what follows from it
// (Session::access), so that a session that may do everything pays one comparison a command.
// Whoever changes users marks all sessions stale (acl/change.h); each looks its user up again
// before its next command. Called on the session's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "server/acl/permission.h"
#include "server/session.h"

namespace respcask::server {

class Turn;

// The state of a new connection: the default user, authenticated if that needs no password.
void become_default_user(Session& session);

// Makes `session` that user if the password is right; false, and nothing changed, if it is not or
// there is no such user, or it is off. Takes as long for a wrong password as for the right one. A
// failure is logged: `command` is the name by which the client called the command. `in_multi`: as
// part of a transaction, or while one is being queued.
bool authenticate(Turn& turn, Session& session, std::string_view user, std::string_view password,
                  std::string_view command, bool in_multi);

// What the session may do now: never kStale or kLooking.
Access current_access(Session& session);

// The session has to log in before it may do anything; the protocol's limits are narrow until then.
inline bool must_authenticate(Session& session) {
  return !session.authenticated && current_access(session) == Access::kUnauthenticated;
}

// Who a transaction runs as. Taken once its shards are locked, so that what others do to users or
// to the session meanwhile comes behind all of it, as it would where there is one thread.
struct Permissions {
  Access access = Access::kChecked;
  std::shared_ptr<const acl::User> user;
};
// Those of the session now. One that is gone, as when the transaction itself has removed its user,
// goes on as that user if there still is one, else as the default user.
Permissions permissions_in_transaction(Session& session);

// Nothing if the session may run this command, otherwise why not, which is logged. Of a session
// that must authenticate, only for what needs no authentication.
std::optional<acl::Lack> find_lack(Turn& turn, Session& session, const TableEntry& command,
                                   std::span<const std::string_view> args, bool in_multi);
// The same for a command of a transaction.
std::optional<acl::Lack> find_queued_lack(Turn& turn, Session& session,
                                          const Permissions& permissions, const TableEntry& command,
                                          std::span<const std::string_view> args);

// After a subscription: users may have been changed since it was allowed, and those who listen to
// what they may not been disconnected before it was there to be seen.
void confirm_subscription(Session& session, std::string_view channel, bool is_pattern);

// Names stand in CLIENT LIST's lines, so they hold nothing that would break one.
bool is_client_name(std::string_view name);
inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace respcask::server
