#include "server/acl/change.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <mutex>
#include <set>
#include <utility>

#include "server/acl/file.h"
#include "server/acl/listing.h"
#include "server/acl/permission.h"
#include "server/log.h"
#include "server/read_file.h"
#include "server/replace_file.h"
#include "server/server.h"

namespace respcask::server::acl {
namespace {

engine::Error invalid(std::string message) {
  return {engine::ErrorCode::kInvalid, std::move(message)};
}

// --- what follows for sessions ------------------------------------------------------------------

uint64_t user_id(const Session& session) {
  std::lock_guard guard(session.mutex);
  return session.user->id;
}

void disconnect(Session& session, const Session* self) {
  if (&session == self) {
    session.disconnect_after_reply();
  } else {
    session.disconnect();
  }
}

// Each session looks its user up again before it runs another command.
void make_stale(Server& server) {
  server.for_each_session([](Session& session) {
    session.mark_stale();
    return true;
  });
}

void disconnect_users(Server& server, const std::set<uint64_t>& ids, const Session* self) {
  server.for_each_session([&](Session& session) {
    if (ids.contains(user_id(session))) disconnect(session, self);
    return true;
  });
}

// Runs after make_stale(): who subscribes meanwhile looks at the user again by itself.
void disconnect_listeners(Server& server, const Change& change, const Session* self) {
  if (change.before == nullptr || keeps_channels(*change.before, *change.after)) return;
  server.pubsub.visit([&](Session& session, ChannelKind kind, std::string_view channel) {
    if (user_id(session) != change.after->id) return;
    if (may_use_channel(*change.after, channel, kind == ChannelKind::kPattern)) return;
    disconnect(session, self);
  });
}

void carry_out(Server& server, std::span<const Change> changes, const Session* self) {
  make_stale(server);
  std::set<uint64_t> gone;
  for (const Change& change : changes) {
    if (change.after == nullptr) {
      gone.insert(change.before->id);
    } else {
      disconnect_listeners(server, change, self);
    }
  }
  if (!gone.empty()) disconnect_users(server, gone, self);
}

// --- where users come from ----------------------------------------------------------------------

RuleContext rule_context(Server& server) {
  return {server.vocabulary, server.config.snapshot()->acl_pubsub_default};
}

// The users of the file, or the errors as ACL LOAD replies them.
ParsedFile read_users(Server& server) {
  const auto config = server.config.snapshot();
  std::string text;
  if (const auto error = read_file(config->in_dir(config->aclfile), text)) {
    return {
        {},
        fmt::format("Error loading ACLs, opening file '{}': {}", config->aclfile, error.message())};
  }
  ParsedFile parsed = parse_file(text, config->aclfile, rule_context(server));
  if (!parsed.errors.empty()) {
    parsed.errors +=
        "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
  }
  return parsed;
}

void warn_if_disabled(const User& user) {
  if (user.enabled) return;
  log_notice("The user '{}' is disabled: there is no 'on' among its rules. Is that what was meant?",
             user.name);
}

// Makes the user of a `user` line, who is new but for the default user: that one's line says all of
// it, not what is to be added.
std::optional<std::string> apply_user_line(Registry& users, const std::vector<std::string>& line,
                                           AclPubsubDefault channels, Change& change) {
  std::vector<std::string_view> rules;
  if (line[0] == kDefaultUser) rules.push_back("reset");
  rules.insert(rules.end(), line.begin() + 1, line.end());
  return users.set(line[0], rules, channels, change);
}

engine::Result<void> apply_user_lines(Server& server, const Config& config) {
  std::set<std::string> seen;
  for (const std::vector<std::string>& line : config.users) {
    const std::string& name = line[0];
    if (has_spaces(name)) {
      return invalid(fmt::format("user '{}': names cannot hold white space", name));
    }
    if (!seen.insert(name).second) {
      return invalid(
          fmt::format("user '{}': Duplicate user found. A user can only be defined once "
                      "in config files",
                      name));
    }
    Change change;
    if (auto wrong = apply_user_line(server.users, line, config.acl_pubsub_default, change)) {
      return invalid(fmt::format("user '{}': {}", name, *wrong));
    }
    warn_if_disabled(*change.after);
  }
  return {};
}

// Whether the default user alone is there and is what requirepass makes it.
bool says_requirepass_all(const Server& server, const std::vector<UserPtr>& users) {
  if (users.size() != 1) return false;
  Registry fresh(server.vocabulary);
  fresh.set_default_password(server.config.snapshot()->requirepass);
  return list_rules(*users[0], server.vocabulary) ==
         list_rules(*fresh.default_user(), server.vocabulary);
}

// Whether a start would make of this `user` line what the user is now.
bool is_up_to_date(Server& server, const std::vector<std::string>& line) {
  const UserPtr now = server.users.find(line[0]);
  const auto channels = server.config.snapshot()->acl_pubsub_default;
  Registry fresh(server.vocabulary);
  Change change;
  if (now == nullptr || apply_user_line(fresh, line, channels, change)) return false;
  return list_rules(*now, server.vocabulary) == list_rules(*change.after, server.vocabulary);
}

}  // namespace

engine::Result<void> load_users(Server& server) {
  const auto config = server.config.snapshot();
  if (!config->aclfile.empty() && !config->users.empty()) {
    return invalid("aclfile and user lines exclude one another: define the users in one place");
  }
  if (auto applied = apply_user_lines(server, *config); !applied) return applied;
  if (config->aclfile.empty()) return {};
  if (!config->requirepass.empty()) {
    log_warning(
        "requirepass has no effect where there is an aclfile: it says what the default "
        "user's password is");
  }
  ParsedFile parsed = read_users(server);
  if (!parsed.errors.empty()) return invalid(std::move(parsed.errors));
  for (const User& user : parsed.users) warn_if_disabled(user);
  server.users.replace(std::move(parsed.users));
  return {};
}

std::optional<std::string> set_user(Server& server, Session& self, std::string_view name,
                                    std::span<const std::string_view> rules) {
  Change change;
  const auto channels = server.config.snapshot()->acl_pubsub_default;
  if (auto wrong = server.users.set(name, rules, channels, change)) return wrong;
  if (change.before != nullptr) carry_out(server, {&change, 1}, &self);
  return std::nullopt;
}

bool delete_user(Server& server, Session& self, std::string_view name) {
  Change change{server.users.remove(name), nullptr};
  if (change.before == nullptr) return false;
  carry_out(server, {&change, 1}, &self);
  return true;
}

void set_default_password(Server& server, std::string_view password) {
  const Change change = server.users.set_default_password(password);
  carry_out(server, {&change, 1}, nullptr);
}

std::optional<std::string> load_file(Server& server, Session& self) {
  ParsedFile parsed = read_users(server);
  if (!parsed.errors.empty()) return std::move(parsed.errors);
  carry_out(server, server.users.replace(std::move(parsed.users)), &self);
  return std::nullopt;
}

engine::Result<void> save_file(Server& server) {
  static std::mutex one_at_a_time;  // they would share a temporary name
  std::lock_guard guard(one_at_a_time);
  const auto config = server.config.snapshot();
  const std::string path = config->in_dir(config->aclfile);
  mode_t mode = 0600;  // digests of passwords are secrets
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) mode = info.st_mode & 07777;
  return replace_file(path, write_file(server.users.all(), server.vocabulary), mode);
}

engine::Result<std::vector<std::string>> user_lines(
    Server& server, std::span<const std::vector<std::string>> included) {
  const std::vector<UserPtr> users = server.users.all();
  std::vector<std::string> lines;
  if (!server.config.snapshot()->aclfile.empty()) return lines;
  std::set<std::string_view> elsewhere;
  for (const std::vector<std::string>& line : included) {
    if (!is_up_to_date(server, line)) {
      return invalid(
          fmt::format("user '{}' was {}, but an included file has its line, and is not rewritten",
                      line[0], server.users.find(line[0]) == nullptr ? "deleted" : "changed"));
    }
    elsewhere.insert(line[0]);
  }
  if (says_requirepass_all(server, users)) return lines;
  for (const UserPtr& user : users) {
    if (elsewhere.contains(user->name)) continue;
    constexpr std::string_view kQuotes = "\"'";
    const std::string rules = list_rules(*user, server.vocabulary, Listing::kFile);
    lines.push_back(quote_words(user->name, kQuotes) + " " + quote_words(rules, kQuotes));
  }
  return lines;
}

}  // namespace respcask::server::acl
