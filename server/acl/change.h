// Changes of users, and what follows for the sessions: whoever runs commands as a user feels a
// change from its next command on, whoever listens to a channel that its user lost is
// disconnected, and so is whoever runs as a user that is gone.
//
// Any thread; no shard is locked by these and none needs to be. `self` is the session that asks, on
// its own loop: it is answered before it is disconnected.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace respcask::server {

class Server;
class Session;

namespace acl {

// What the configuration says: `user` lines or aclfile; requirepass was applied when the server was
// made. Once, before there are sessions. The error is one sentence.
engine::Result<void> load_users(Server& server);

// ACL SETUSER. The error as it is replied, without "ERR ".
std::optional<std::string> set_user(Server& server, Session& self, std::string_view name,
                                    std::span<const std::string_view> rules);
// ACL DELUSER of one user, not the default one; false if there is none.
bool delete_user(Server& server, Session& self, std::string_view name);
// CONFIG SET requirepass.
void set_default_password(Server& server, std::string_view password);

// ACL LOAD: all users of the file, or none. The error as it is replied, without "ERR ".
std::optional<std::string> load_file(Server& server, Session& self);
// ACL SAVE. Blocks on the disk.
engine::Result<void> save_file(Server& server);

// The `user` lines of a configuration file that would bring these users back, without the word
// "user"; none if requirepass says it all or the users are kept in a file of their own. `included`
// are the lines, as in Config::users, that the file includes from others: their users must be as
// they say, and are left out, as a user may have one line only. kInvalid if one is not.
engine::Result<std::vector<std::string>> user_lines(
    Server& server, std::span<const std::vector<std::string>> included = {});

}  // namespace acl
}  // namespace respcask::server
