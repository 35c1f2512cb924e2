#include "server/acl/user.h"

#include <algorithm>

#include "server/sha256.h"

namespace respcask::server::acl {
namespace {

// Compares all bytes, whatever the first ones say. Digests are of one length.
bool same_digest(std::string_view a, std::string_view b) {
  unsigned difference = a.size() != b.size();
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace

User::User(std::string_view user_name, size_t commands, AclPubsubDefault channels)
    : name(user_name) {
  selectors.emplace_back(commands).all_channels = channels == AclPubsubDefault::kAllchannels;
}

bool User::allows_everything() const {
  return std::any_of(selectors.begin(), selectors.end(),
                     [](const Selector& selector) { return selector.allows_everything(); });
}

bool User::may_log_in(std::string_view password) const {
  const std::string digest = hex(sha256(password));
  bool known = nopass;
  for (const std::string& each : passwords) known |= same_digest(each, digest);
  return enabled && known;
}

bool has_spaces(std::string_view text) {
  return text.find_first_of(std::string_view(" \t\n\v\f\r\0", 7)) != text.npos;
}

}  // namespace respcask::server::acl
