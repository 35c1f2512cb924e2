#include "server/pubsub.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "server/glob.h"
#include "server/session.h"

namespace respcask::server {

// --- Outbox -------------------------------------------------------------------------------------

Outbox& Outbox::operator=(Outbox&& other) noexcept {
  drop();
  invalidations = std::move(other.invalidations);
  steps_ = std::move(other.steps_);
  pubsub_ = other.pubsub_;
  messages_ = std::move(other.messages_);
  return *this;
}

void Outbox::add(Pubsub& pubsub, const Message& message) {
  pubsub_ = &pubsub;
  const size_t changes = invalidations.size();
  if (changes != (steps_.empty() ? 0 : steps_.back().changes)) {
    steps_.push_back({messages_ == nullptr ? 0 : messages_->size(), changes});
  }
  pubsub.order_.add(messages_, message);
}

void Outbox::deliver() {
  for (const Step& step : steps_) {
    if (step.messages != 0) pubsub_->tell(*messages_, step.messages);
    invalidations.deliver_first(step.changes);
    if (step.resumed != nullptr) step.resumed->resume();
  }
  steps_.clear();
  end_messages(true);
  invalidations.deliver();
}

void Outbox::resume(const std::shared_ptr<Link>& waiting) {
  if (empty()) return waiting->resume();
  steps_.push_back({messages_ == nullptr ? 0 : messages_->size(), invalidations.size(), waiting});
}

void Outbox::drop() {
  end_messages(false);
  for (const Step& step : steps_) {
    if (step.resumed != nullptr) step.resumed->resume();
  }
  steps_.clear();
}

void Outbox::end_messages(bool tell) {
  if (messages_ != nullptr) pubsub_->end_turn(*std::exchange(messages_, nullptr), tell);
}

// --- subscriptions ------------------------------------------------------------------------------

namespace {

NumberedChannels& own_channels(Subscriptions& subscriptions, ChannelKind kind) {
  switch (kind) {
    case ChannelKind::kChannel:
      return subscriptions.channels;
    case ChannelKind::kPattern:
      return subscriptions.patterns;
    case ChannelKind::kShard:
      break;
  }
  return subscriptions.shard_channels;
}

Shown<uint32_t>& own_count(Session& session, ChannelKind kind) {
  switch (kind) {
    case ChannelKind::kChannel:
      return session.channel_count;
    case ChannelKind::kPattern:
      return session.pattern_count;
    case ChannelKind::kShard:
      break;
  }
  return session.shard_channel_count;
}

}  // namespace

bool Pubsub::subscribe(Session& session, ChannelKind kind, std::string_view channel) {
  if (session.subscriptions == nullptr) session.subscriptions = std::make_unique<Subscriptions>();
  std::lock_guard guard(mutex_);
  Subscriptions& own = *session.subscriptions;
  if (!own_channels(own, kind).try_emplace(std::string(channel), own.last_number + 1).second) {
    return false;
  }
  ++own.last_number;
  own_count(session, kind) += 1;
  listeners_.fetch_add(1, std::memory_order_relaxed);
  if (kind == ChannelKind::kPattern) {
    auto found = pattern_index_.find(channel);
    if (found == pattern_index_.end()) {
      patterns_.push_back({std::string(channel), {}});
      found = pattern_index_.emplace(patterns_.back().glob, std::prev(patterns_.end())).first;
    }
    found->second->subscribers.push_back({&session, order_.last_number()});
    return true;
  }
  Channels& channels = kind == ChannelKind::kShard ? shard_channels_ : channels_;
  auto found = channels.find(channel);
  if (found == channels.end()) found = channels.emplace(channel, Subscribers{}).first;
  found->second.push_back({&session, order_.last_number()});
  return true;
}

void Pubsub::unsubscribe(Session& session, ChannelKind kind, std::span<const std::string> channels,
                         const Outbox* outbox,
                         engine::FunctionRef<void(std::string_view channel)> left) {
  std::lock_guard guard(mutex_);
  const WaitingIn waiting = find_waiting(session, kind, channels, outbox);
  for (const std::string& channel : channels) {
    if (session.subscriptions != nullptr &&
        own_channels(*session.subscriptions, kind).contains(channel)) {
      const auto found = waiting.find(channel);
      if (found != waiting.end() && !found->second.messages.empty()) {
        session.link->push(found->second.messages);
      }
      remove(session, kind, channel);
    }
    left(channel);
  }
}

void Pubsub::remove(Session& session, ChannelKind kind, std::string_view channel) {
  if (kind == ChannelKind::kPattern) {
    const auto found = pattern_index_.find(channel);
    const auto pattern = found->second;
    std::erase(pattern->subscribers, &session);
    if (pattern->subscribers.empty()) {
      pattern_index_.erase(found);
      patterns_.erase(pattern);
    }
  } else {
    Channels& channels = kind == ChannelKind::kShard ? shard_channels_ : channels_;
    const auto found = channels.find(channel);
    std::erase(found->second, &session);
    if (found->second.empty()) channels.erase(found);
  }
  NumberedChannels& own = own_channels(*session.subscriptions, kind);
  own.erase(own.find(channel));
  own_count(session, kind) -= 1;
  listeners_.fetch_sub(1, std::memory_order_relaxed);
}

void Pubsub::unsubscribe_all(Session& session, const Outbox* outbox) {
  if (session.subscriptions == nullptr) return;
  for (const ChannelKind kind :
       {ChannelKind::kChannel, ChannelKind::kPattern, ChannelKind::kShard}) {
    const NumberedChannels& own = own_channels(*session.subscriptions, kind);
    std::vector<std::string> channels;
    for (const auto& [channel, number] : own) channels.push_back(channel);
    unsubscribe(session, kind, channels, outbox, [](std::string_view) {});
  }
  session.subscriptions = nullptr;
}

// --- messages -----------------------------------------------------------------------------------

namespace {

void write_message(resp::Writer& out, ChannelKind kind, std::string_view channel,
                   std::string_view payload) {
  out.push(3);
  out.bulk(kind == ChannelKind::kShard ? "smessage" : "message");
  out.bulk(channel);
  out.bulk(payload);
}

void write_pattern_message(resp::Writer& out, std::string_view pattern, std::string_view channel,
                           std::string_view payload) {
  out.push(4);
  out.bulk("pmessage");
  out.bulk(pattern);
  out.bulk(channel);
  out.bulk(payload);
}

}  // namespace

size_t Pubsub::count_present(const Subscribers& subscribers) {
  if (!Session::any_is_gone()) return subscribers.size();
  return static_cast<size_t>(
      std::count_if(subscribers.begin(), subscribers.end(),
                    [](const Subscriber& one) { return !one.session->is_gone(); }));
}

bool Pubsub::any_present(const Subscribers& subscribers) {
  if (!Session::any_is_gone()) return !subscribers.empty();
  return std::any_of(subscribers.begin(), subscribers.end(),
                     [](const Subscriber& one) { return !one.session->is_gone(); });
}

size_t Pubsub::receivers(ChannelKind kind, std::string_view channel) const {
  std::lock_guard guard(mutex_);
  size_t count = 0;
  const Channels& channels = kind == ChannelKind::kShard ? shard_channels_ : channels_;
  const auto found = channels.find(channel);
  if (found != channels.end()) count += count_present(found->second);
  if (kind == ChannelKind::kShard) return count;
  for (const Pattern& pattern : patterns_) {
    if (glob_match(pattern.glob, channel)) count += count_present(pattern.subscribers);
  }
  return count;
}

void Pubsub::write_own(const Session& session, ChannelKind kind, std::string_view channel,
                       std::string_view payload, resp::Writer& out) {
  Subscriptions& own = *session.subscriptions;
  if (own_channels(own, kind).contains(channel)) write_message(out, kind, channel, payload);
  if (kind == ChannelKind::kShard) return;
  for (const auto& [pattern, number] : own.patterns) {
    if (glob_match(pattern, channel)) write_pattern_message(out, pattern, channel, payload);
  }
}

void Pubsub::tell(TurnMessages& turn, size_t count) {
  order_.tell(turn, count);
  deliver_told();
}

void Pubsub::end_turn(TurnMessages& turn, bool tell) {
  order_.end(turn, tell);
  deliver_told();
}

void Pubsub::deliver_told() {
  std::lock_guard guard(mutex_);
  while (const auto run = order_.take()) {
    for (size_t i = run->begin; i < run->end; ++i) deliver((*run->turn)[i]);
  }
}

// To those who were there when it was published. It is written once in each protocol, when the
// first subscriber needs it.
template <class Write>
void Pubsub::send(const Message& message, const Subscribers& subscribers, Write write) {
  std::string encoded[2];
  for (const auto& [session, since] : subscribers) {
    if (session->id == message.origin || message.number <= since || session->is_gone()) continue;
    std::string& bytes = encoded[session->protocol == 3];
    if (bytes.empty()) {
      resp::Writer out(bytes, session->protocol);
      write(out);
    }
    session->link->push(bytes);
  }
}

void Pubsub::deliver(const Message& message) const {
  const Channels& channels = message.kind == ChannelKind::kShard ? shard_channels_ : channels_;
  if (const auto found = channels.find(message.channel); found != channels.end()) {
    send(message, found->second, [&](resp::Writer& out) {
      write_message(out, message.kind, message.channel, message.payload);
    });
  }
  if (message.kind == ChannelKind::kShard) return;
  for (const Pattern& pattern : patterns_) {
    if (!glob_match(pattern.glob, message.channel)) continue;
    send(message, pattern.subscribers, [&](resp::Writer& out) {
      write_pattern_message(out, pattern.glob, message.channel, message.payload);
    });
  }
}

const Pubsub::Subscribers& Pubsub::subscribers_of(ChannelKind kind,
                                                  std::string_view channel) const {
  if (kind == ChannelKind::kPattern) return pattern_index_.find(channel)->second->subscribers;
  const Channels& channels = kind == ChannelKind::kShard ? shard_channels_ : channels_;
  return channels.find(channel)->second;
}

// Looks at each message once, however many the channels are.
Pubsub::WaitingIn Pubsub::find_waiting(const Session& session, ChannelKind kind,
                                       std::span<const std::string> channels,
                                       const Outbox* outbox) {
  WaitingIn waiting;
  if (outbox == nullptr || session.subscriptions == nullptr || order_.empty()) return waiting;
  uint64_t first_since = UINT64_MAX;
  const NumberedChannels& own = own_channels(*session.subscriptions, kind);
  for (const std::string& channel : channels) {
    if (!own.contains(channel)) continue;
    const Subscribers& all = subscribers_of(kind, channel);
    const uint64_t since = std::find(all.begin(), all.end(), &session)->since;
    waiting.try_emplace(channel, Waiting{since, {}});
    first_since = std::min(first_since, since);
  }
  order_.visit_waiting(outbox->messages_.get(), first_since, [&](const Message& message) {
    if (message.origin == session.id) return;
    if (kind == ChannelKind::kPattern) {
      if (message.kind == ChannelKind::kShard) return;
      for (auto& [pattern, at] : waiting) {
        if (message.number <= at.since || !glob_match(pattern, message.channel)) continue;
        resp::Writer out(at.messages, session.protocol);
        write_pattern_message(out, pattern, message.channel, message.payload);
      }
    } else if (message.kind == kind) {
      const auto found = waiting.find(message.channel);
      if (found == waiting.end() || message.number <= found->second.since) return;
      resp::Writer out(found->second.messages, session.protocol);
      write_message(out, kind, message.channel, message.payload);
    }
  });
  return waiting;
}

// --- PUBSUB -------------------------------------------------------------------------------------

std::vector<std::string> Pubsub::active_channels(ChannelKind kind,
                                                 std::optional<std::string_view> pattern) const {
  std::lock_guard guard(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, subscribers] :
       kind == ChannelKind::kShard ? shard_channels_ : channels_) {
    if (pattern && !glob_match(*pattern, name)) continue;
    if (any_present(subscribers)) names.push_back(name);
  }
  return names;
}

size_t Pubsub::subscribers(ChannelKind kind, std::string_view channel) const {
  std::lock_guard guard(mutex_);
  const Channels& channels = kind == ChannelKind::kShard ? shard_channels_ : channels_;
  const auto found = channels.find(channel);
  return found == channels.end() ? 0 : count_present(found->second);
}

void Pubsub::visit(
    const std::function<void(Session&, ChannelKind, std::string_view channel)>& visit) const {
  std::lock_guard guard(mutex_);
  for (const auto& [name, subscribers] : channels_) {
    for (const auto& [session, since] : subscribers) visit(*session, ChannelKind::kChannel, name);
  }
  for (const auto& [name, subscribers] : shard_channels_) {
    for (const auto& [session, since] : subscribers) visit(*session, ChannelKind::kShard, name);
  }
  for (const Pattern& pattern : patterns_) {
    for (const auto& [session, since] : pattern.subscribers) {
      visit(*session, ChannelKind::kPattern, pattern.glob);
    }
  }
}

size_t Pubsub::channel_count(ChannelKind kind, bool some_are_gone) const {
  std::lock_guard guard(mutex_);
  if (kind == ChannelKind::kPattern) {
    if (!some_are_gone) return patterns_.size();
    return static_cast<size_t>(
        std::count_if(patterns_.begin(), patterns_.end(),
                      [](const Pattern& pattern) { return any_present(pattern.subscribers); }));
  }
  const Channels& channels = kind == ChannelKind::kShard ? shard_channels_ : channels_;
  if (!some_are_gone) return channels.size();
  return static_cast<size_t>(
      std::count_if(channels.begin(), channels.end(),
                    [](const auto& channel) { return any_present(channel.second); }));
}

}  // namespace respcask::server
