// The text of an ACL file: one line a user, `user NAME RULE ...`, its words split at single spaces.
// White space around a line and empty lines do not count; there are no comments and no quotes.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/acl/registry.h"
#include "server/acl/rules.h"

namespace respcask::server::acl {

struct ParsedFile {
  std::vector<User> users;  // in the file's order, names unique
  std::string errors;       // sentences with the name of the file and the lines; "" if none
};
// `name` is the file's, for errors.
ParsedFile parse_file(std::string_view text, std::string_view name, const RuleContext& context);

std::string write_file(const std::vector<UserPtr>& users, const Vocabulary& vocabulary);

}  // namespace respcask::server::acl
