// Who a client is: passwords and names, shared by AUTH, HELLO and CLIENT SETNAME.
//
// Called on the session's loop.
#pragma once

#include <string_view>

namespace respcask::server {

struct Config;
class Session;

// Makes `session` that user if the password is right; false, and nothing changed, if it is not or
// there is no such user. Takes as long for a wrong password as for the right one.
bool authenticate(Session& session, const Config& config, std::string_view user,
                  std::string_view password);

// Names stand in CLIENT LIST's lines, so they hold nothing that would break one.
bool is_client_name(std::string_view name);
inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace respcask::server
