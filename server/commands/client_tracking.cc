#include "server/commands/client_tracking.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "server/context.h"
#include "server/server.h"
#include "server/session.h"
#include "server/tracking.h"

namespace respcask::server {
namespace {

struct Options {
  uint64_t redirect = 0;
  uint32_t flags = 0;
  std::vector<std::string_view> prefixes;
};

// False if the arguments are wrong, which is then replied.
bool parse_options(Context& c, Options& options) {
  for (size_t i = 3; i < c.argc(); ++i) {
    const bool more = i + 1 < c.argc();
    if (c.arg_is(i, "REDIRECT") && more) {
      if (options.redirect != 0) {
        c.error("ERR A client can only redirect to a single other client");
        return false;
      }
      const auto id = c.integer_arg(++i);
      if (!id) return false;
      options.redirect = static_cast<uint64_t>(*id);
      // It may go later, but must be there now.
      const auto use = [](Session& target) { target.hears_for_others = true; };
      if (!c.server().with_session(options.redirect, use)) {
        c.error("ERR The client ID you want redirect to does not exist");
        return false;
      }
    } else if (c.arg_is(i, "BCAST")) {
      options.flags |= kTracksBroadcast;
    } else if (c.arg_is(i, "OPTIN")) {
      options.flags |= kTracksOptIn;
    } else if (c.arg_is(i, "OPTOUT")) {
      options.flags |= kTracksOptOut;
    } else if (c.arg_is(i, "NOLOOP")) {
      options.flags |= kTracksNoLoop;
    } else if (c.arg_is(i, "PREFIX") && more) {
      options.prefixes.push_back(c.arg(++i));
    } else {
      c.syntax_error();
      return false;
    }
  }
  return true;
}

// Why these options do not go together, or not with how the client tracks already; "" if they do.
std::string_view conflict(const Options& options, uint32_t current) {
  const uint32_t wanted = options.flags;
  const auto both = [&](uint32_t flags) { return (wanted & flags) == flags; };
  if ((wanted & kTracksBroadcast) == 0 && !options.prefixes.empty()) {
    return "ERR PREFIX option requires BCAST mode to be enabled";
  }
  if ((current & kTracks) != 0 && ((current ^ wanted) & kTracksBroadcast) != 0) {
    return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  if (both(kTracksBroadcast | kTracksOptIn) || both(kTracksBroadcast | kTracksOptOut)) {
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  }
  if (both(kTracksOptIn | kTracksOptOut)) {
    return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  }
  if (((wanted & kTracksOptIn) != 0 && (current & kTracksOptOut) != 0) ||
      ((wanted & kTracksOptOut) != 0 && (current & kTracksOptIn) != 0)) {
    return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  return {};
}

}  // namespace

void cmd_client_tracking(Context& c) {
  Options options;
  if (!parse_options(c, options)) return;
  Tracking& tracking = c.server().tracking;
  Session& session = c.session();
  if (c.arg_is(2, "OFF")) {
    tracking.disable(session);
    c.server().settle_tellers();
    c.take_pushes();
    return c.ok();
  }
  if (!c.arg_is(2, "ON")) return c.syntax_error();
  if (const auto why = conflict(options, session.tracking); !why.empty()) return c.error(why);
  if (const auto overlap = Tracking::overlap(session, options.prefixes)) {
    return c.error(
        fmt::format("ERR Prefix '{}' overlaps with {} prefix '{}'. Prefixes for a single client "
                    "must not overlap.",
                    overlap->prefix.substr(0, overlap->prefix.find('\0')),
                    overlap->existing ? "an existing" : "another provided",
                    std::string_view(overlap->other).substr(0, overlap->other.find('\0'))));
  }
  tracking.enable(session, options.redirect, options.flags, options.prefixes);
  c.ok();
}

void cmd_client_caching(Context& c) {
  Session& session = c.session();
  const uint32_t flags = session.tracking;
  if ((flags & kTracks) == 0) {
    return c.error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  if (c.arg_is(2, "YES")) {
    if ((flags & kTracksOptIn) == 0) {
      return c.error(
          "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    }
  } else if (c.arg_is(2, "NO")) {
    if ((flags & kTracksOptOut) == 0) {
      return c.error(
          "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    }
  } else {
    return c.syntax_error();
  }
  session.tracking.fetch_or(kTracksCaching);
  c.ok();
}

void cmd_client_getredir(Context& c) {
  const Session& session = c.session();
  const bool tracks = (session.tracking & kTracks) != 0;
  c.reply().integer(tracks ? static_cast<int64_t>(session.tracking_redirect.get()) : -1);
}

void cmd_client_trackinginfo(Context& c) {
  const Session& session = c.session();
  const uint32_t flags = session.tracking;
  std::vector<std::string_view> words{(flags & kTracks) != 0 ? "on" : "off"};
  const auto add = [&](uint32_t all, std::string_view word) {
    if ((flags & all) == all) words.push_back(word);
  };
  add(kTracksBroadcast, "bcast");
  add(kTracksOptIn, "optin");
  add(kTracksOptIn | kTracksCaching, "caching-yes");
  add(kTracksOptOut, "optout");
  add(kTracksOptOut | kTracksCaching, "caching-no");
  add(kTracksNoLoop, "noloop");
  add(kTracksBrokenRedirect, "broken_redirect");

  resp::Writer& reply = c.reply();
  reply.map(3);
  reply.bulk("flags");
  reply.set(words.size());
  for (const std::string_view word : words) reply.bulk(word);
  reply.bulk("redirect");
  cmd_client_getredir(c);
  reply.bulk("prefixes");
  reply.array(session.prefixes.size());
  for (const std::string& prefix : session.prefixes) reply.bulk(prefix);
}

}  // namespace respcask::server
