#include "server/identity.h"

#include <algorithm>

#include "server/config/config.h"
#include "server/session.h"

namespace respcask::server {
namespace {

// Compares in a time that depends on the length of `given` alone, which its sender knows.
bool same_secret(std::string_view secret, std::string_view given) {
  unsigned difference = secret.size() != given.size();
  const std::string_view reference = secret.empty() ? std::string_view("\0", 1) : secret;
  for (size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(reference[i % reference.size()]);
  }
  return difference == 0;
}

}  // namespace

bool authenticate(Session& session, const Config& config, std::string_view user,
                  std::string_view password) {
  // Without requirepass the default user takes any password.
  const bool right = config.requirepass.empty() || same_secret(config.requirepass, password);
  if (user != "default" || !right) return false;
  session.set_user(user);
  session.authenticated = true;
  return true;
}

bool is_client_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace respcask::server
