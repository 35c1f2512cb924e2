// SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites, PUBLISH, SPUBLISH, PUBSUB.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/command_table.h"
#include "server/context.h"
#include "server/identity.h"
#include "server/pubsub.h"
#include "server/server.h"

namespace respcask::server {
namespace {

// What the confirmations of one kind are called, and what they count: a client's subscriptions,
// those to shard channels apart.
struct Words {
  std::string_view subscribe;
  std::string_view unsubscribe;
};

constexpr Words words(ChannelKind kind) {
  switch (kind) {
    case ChannelKind::kChannel:
      return {"subscribe", "unsubscribe"};
    case ChannelKind::kPattern:
      return {"psubscribe", "punsubscribe"};
    case ChannelKind::kShard:
      break;
  }
  return {"ssubscribe", "sunsubscribe"};
}

uint32_t subscription_count(const Session& session, ChannelKind kind) {
  if (kind == ChannelKind::kShard) return session.shard_channel_count;
  return session.channel_count + session.pattern_count;
}

void write_confirmation(resp::Writer& out, std::string_view word,
                        std::optional<std::string_view> channel, uint32_t subscriptions) {
  out.push(3);
  out.bulk(word);
  if (channel) {
    out.bulk(*channel);
  } else {
    out.bulk_null();
  }
  out.integer(subscriptions);
}

void confirm(Context& c, ChannelKind kind, std::string_view word,
             std::optional<std::string_view> channel) {
  Session& session = c.session();
  const uint32_t subscriptions = subscription_count(session, kind);
  if (!c.reply_is_hidden()) return write_confirmation(c.reply(), word, channel, subscriptions);
  // CLIENT REPLY OFF keeps replies from the client, but not what a subscription says of itself.
  std::string bytes;
  resp::Writer out(bytes, session.protocol);
  write_confirmation(out, word, channel, subscriptions);
  session.carrier.push(bytes);
}

void subscribe_to(Context& c, ChannelKind kind) {
  for (size_t i = 1; i < c.argc(); ++i) {
    // What was published before is read before, but nothing of the channel itself.
    c.take_pushes();
    c.server().pubsub.subscribe(c.session(), kind, c.arg(i));
    confirm_subscription(c.session(), c.arg(i), kind == ChannelKind::kPattern);
    confirm(c, kind, words(kind).subscribe, c.arg(i));
  }
}

// The channels of one kind that a session is subscribed to, in the order in which it came to be:
// that of patterns in Redis, too.
std::vector<std::string> own_channels(const Session& session, ChannelKind kind) {
  if (session.subscriptions == nullptr) return {};
  const Subscriptions& own = *session.subscriptions;
  const NumberedChannels& channels = kind == ChannelKind::kChannel   ? own.channels
                                     : kind == ChannelKind::kPattern ? own.patterns
                                                                     : own.shard_channels;
  std::vector<std::pair<uint64_t, std::string>> numbered;
  for (const auto& [channel, number] : channels) numbered.emplace_back(number, channel);
  std::sort(numbered.begin(), numbered.end());
  std::vector<std::string> names;
  for (auto& [number, channel] : numbered) names.push_back(std::move(channel));
  return names;
}

void unsubscribe_from(Context& c, ChannelKind kind) {
  std::vector<std::string> channels(c.args().begin() + 1, c.args().end());
  if (channels.empty()) channels = own_channels(c.session(), kind);
  // What was published in this turn comes with the confirmation: no sooner than what it tells of.
  c.turn().touched.add(c.turn().written);
  if (!channels.empty()) {
    const auto left = [&](std::string_view channel) {
      c.take_pushes();
      confirm(c, kind, words(kind).unsubscribe, channel);
    };
    return c.server().pubsub.unsubscribe(c.session(), kind, channels, &c.turn().outbox, left);
  }
  c.take_pushes();
  confirm(c, kind, words(kind).unsubscribe, std::nullopt);
}

void cmd_subscribe(Context& c) {
  subscribe_to(c, ChannelKind::kChannel);
}

void cmd_psubscribe(Context& c) {
  subscribe_to(c, ChannelKind::kPattern);
}

void cmd_ssubscribe(Context& c) {
  if (c.in_transaction()) {
    return c.error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
  }
  subscribe_to(c, ChannelKind::kShard);
}

void cmd_unsubscribe(Context& c) {
  unsubscribe_from(c, ChannelKind::kChannel);
}

void cmd_punsubscribe(Context& c) {
  unsubscribe_from(c, ChannelKind::kPattern);
}

void cmd_sunsubscribe(Context& c) {
  unsubscribe_from(c, ChannelKind::kShard);
}

void cmd_publish(Context& c) {
  c.reply().integer(static_cast<int64_t>(c.publish(ChannelKind::kChannel, c.arg(1), c.arg(2))));
}

void cmd_spublish(Context& c) {
  c.reply().integer(static_cast<int64_t>(c.publish(ChannelKind::kShard, c.arg(1), c.arg(2))));
}

void reply_channels(Context& c, ChannelKind kind) {
  if (c.argc() > 3) return c.wrong_subcommand();
  const auto names = c.server().pubsub.active_channels(
      kind, c.argc() == 3 ? std::optional(c.arg(2)) : std::nullopt);
  c.reply().array(names.size());
  for (const std::string& name : names) c.reply().bulk(name);
}

void reply_subscribers(Context& c, ChannelKind kind) {
  c.reply().array(2 * (c.argc() - 2));
  for (size_t i = 2; i < c.argc(); ++i) {
    c.reply().bulk(c.arg(i));
    c.reply().integer(static_cast<int64_t>(c.server().pubsub.subscribers(kind, c.arg(i))));
  }
}

void cmd_pubsub_channels(Context& c) {
  reply_channels(c, ChannelKind::kChannel);
}
void cmd_pubsub_shardchannels(Context& c) {
  reply_channels(c, ChannelKind::kShard);
}
void cmd_pubsub_numsub(Context& c) {
  reply_subscribers(c, ChannelKind::kChannel);
}
void cmd_pubsub_shardnumsub(Context& c) {
  reply_subscribers(c, ChannelKind::kShard);
}

void cmd_pubsub_numpat(Context& c) {
  c.reply().integer(
      static_cast<int64_t>(c.server().pubsub.channel_count(ChannelKind::kPattern, true)));
}

void cmd_pubsub_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "CHANNELS [<pattern>]",
      "    Return the currently active channels matching a <pattern> (default: '*').",
      "NUMPAT",
      "    Return number of subscriptions to patterns.",
      "NUMSUB [<channel> ...]",
      "    Return the number of subscribers for the specified channels, excluding",
      "    pattern subscriptions(default: no channels).",
      "SHARDCHANNELS [<pattern>]",
      "    Return the currently active shard level channels matching a <pattern> (default: '*').",
      "SHARDNUMSUB [<shardchannel> ...]",
      "    Return the number of subscribers for the specified shard level channel(s)",
  };
  c.help(kLines);
}

constexpr Argument kPsubscribeArgsPattern[] = {
    {.name = "pattern", .type = ArgType::kPattern},
};
constexpr Argument kPsubscribeArgs[] = {
    {.name = "pattern", .type = ArgType::kBlock, .flags = kMultiple, .sub = kPsubscribeArgsPattern},
};
constexpr Argument kPublishArgs[] = {
    {.name = "channel"},
    {.name = "message"},
};
constexpr Argument kOptionalPattern[] = {
    {.name = "pattern", .type = ArgType::kPattern, .flags = kOptional},
};
constexpr Argument kOptionalChannels[] = {
    {.name = "channel", .flags = kOptional | kMultiple},
};
constexpr Argument kOptionalShardchannels[] = {
    {.name = "shardchannel", .flags = kOptional | kMultiple},
};
constexpr Command kPubsubSubcommands[] = {
    {.name = "channels",
     .handler = cmd_pubsub_channels,
     .arity = -2,
     .flags = kPubsub | kLoading | kStale,
     .group = Group::kPubsub,
     .since = "2.8.0",
     .complexity = "O(N) where N is the number of active channels, and assuming constant time "
                   "pattern matching (relatively short channels and patterns)",
     .summary = "List active channels",
     .arguments = kOptionalPattern},
    {.name = "help",
     .handler = cmd_pubsub_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kPubsub,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "numpat",
     .handler = cmd_pubsub_numpat,
     .arity = 2,
     .flags = kPubsub | kLoading | kStale,
     .group = Group::kPubsub,
     .since = "2.8.0",
     .complexity = "O(1)",
     .summary = "Get the count of unique patterns pattern subscriptions"},
    {.name = "numsub",
     .handler = cmd_pubsub_numsub,
     .arity = -2,
     .flags = kPubsub | kLoading | kStale,
     .group = Group::kPubsub,
     .since = "2.8.0",
     .complexity = "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
     .summary = "Get the count of subscribers for channels",
     .arguments = kOptionalChannels},
    {.name = "shardchannels",
     .handler = cmd_pubsub_shardchannels,
     .arity = -2,
     .flags = kPubsub | kLoading | kStale,
     .group = Group::kPubsub,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of active shard channels, and assuming constant "
                   "time pattern matching (relatively short shard channels).",
     .summary = "List active shard channels",
     .arguments = kOptionalPattern},
    {.name = "shardnumsub",
     .handler = cmd_pubsub_shardnumsub,
     .arity = -2,
     .flags = kPubsub | kLoading | kStale,
     .group = Group::kPubsub,
     .since = "7.0.0",
     .complexity =
         "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
     .summary = "Get the count of subscribers for shard channels",
     .arguments = kOptionalShardchannels},
};
constexpr Argument kPunsubscribeArgs[] = {
    {.name = "pattern", .type = ArgType::kPattern, .flags = kOptional | kMultiple},
};
constexpr KeySpec kSpublishKeys[] = {
    {.flags = kNotKey, .index = 1},
};
constexpr Argument kSpublishArgs[] = {
    {.name = "shardchannel"},
    {.name = "message"},
};
constexpr KeySpec kChannelKeys[] = {
    {.flags = kNotKey, .index = 1, .last = -1},
};
constexpr Argument kSsubscribeArgs[] = {
    {.name = "shardchannel", .flags = kMultiple},
};
constexpr Argument kSubscribeArgs[] = {
    {.name = "channel", .flags = kMultiple},
};
constexpr Command kRows[] = {
    {.name = "psubscribe",
     .handler = cmd_psubscribe,
     .arity = -2,
     .flags = kPubsub | kNoscript | kLoading | kStale | kInPubsub | kSubscribes | kOfPatterns,
     .group = Group::kPubsub,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of patterns the client is already subscribed to.",
     .summary = "Listen for messages published to channels matching the given patterns",
     .arguments = kPsubscribeArgs},
    {.name = "publish",
     .handler = cmd_publish,
     .arity = 3,
     .flags = kPubsub | kLoading | kStale | kFast | kMayReplicate | kPublishes,
     .group = Group::kPubsub,
     .since = "2.0.0",
     .complexity = "O(N+M) where N is the number of clients subscribed to the receiving channel "
                   "and M is the total number of subscribed patterns (by any client).",
     .summary = "Post a message to a channel",
     .arguments = kPublishArgs},
    {.name = "pubsub",
     .arity = -2,
     .group = Group::kPubsub,
     .since = "2.8.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Pub/Sub commands",
     .subcommands = kPubsubSubcommands},
    {.name = "punsubscribe",
     .handler = cmd_punsubscribe,
     .arity = -1,
     .flags = kPubsub | kNoscript | kLoading | kStale | kInPubsub,
     .group = Group::kPubsub,
     .since = "2.0.0",
     .complexity = "O(N+M) where N is the number of patterns the client is already subscribed and "
                   "M is the number of total patterns subscribed in the system (by any client).",
     .summary = "Stop listening for messages posted to channels matching the given patterns",
     .arguments = kPunsubscribeArgs},
    {.name = "spublish",
     .handler = cmd_spublish,
     .arity = 3,
     .flags = kPubsub | kLoading | kStale | kFast | kMayReplicate | kPublishes,
     .keys = kSpublishKeys,
     .group = Group::kPubsub,
     .since = "7.0.0",
     .complexity =
         "O(N) where N is the number of clients subscribed to the receiving shard channel.",
     .summary = "Post a message to a shard channel",
     .arguments = kSpublishArgs},
    {.name = "ssubscribe",
     .handler = cmd_ssubscribe,
     .arity = -2,
     .flags = kPubsub | kNoscript | kLoading | kStale | kInPubsub | kSubscribes,
     .keys = kChannelKeys,
     .group = Group::kPubsub,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of shard channels to subscribe to.",
     .summary = "Listen for messages published to the given shard channels",
     .arguments = kSsubscribeArgs},
    {.name = "subscribe",
     .handler = cmd_subscribe,
     .arity = -2,
     .flags = kPubsub | kNoscript | kLoading | kStale | kInPubsub | kSubscribes,
     .group = Group::kPubsub,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of channels to subscribe to.",
     .summary = "Listen for messages published to the given channels",
     .arguments = kSubscribeArgs},
    {.name = "sunsubscribe",
     .handler = cmd_sunsubscribe,
     .arity = -1,
     .flags = kPubsub | kNoscript | kLoading | kStale | kInPubsub,
     .keys = kChannelKeys,
     .group = Group::kPubsub,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of clients already subscribed to a shard channel.",
     .summary = "Stop listening for messages posted to the given shard channels",
     .arguments = kOptionalShardchannels},
    {.name = "unsubscribe",
     .handler = cmd_unsubscribe,
     .arity = -1,
     .flags = kPubsub | kNoscript | kLoading | kStale | kInPubsub,
     .group = Group::kPubsub,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of clients already subscribed to a channel.",
     .summary = "Stop listening for messages posted to the given channels",
     .arguments = kOptionalChannels},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> pubsub_commands() {
  return kRows;
}

}  // namespace respcask::server
