// Pubsub: who listens to which channel, and the way of a message to them.
//
// A message is not sent at once: it goes into the Outbox of the publishing thread's turn, and to
// the subscribers when the turn's writes are in the kernel (turn.h) and the messages that were
// published before it have left. Delivery holds the mutex of the tables, so all subscribers see the
// messages of all loops in the order in which they were published (message_order.h), none from
// before he came to the channel and none once he has left it. A session that publishes to itself is
// the exception: its own message stands in its output at once, before the reply, as in Redis 7.0.
// Subscriptions are changed on their session's loop. All methods may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/function_ref.h"
#include "resp/writer.h"
#include "server/message_order.h"
#include "server/string_hash.h"
#include "server/tracking.h"

namespace respcask::server {

class Link;
class Pubsub;
class Session;

// Channels of one kind, each with the number of its subscription.
using NumberedChannels = std::unordered_map<std::string, uint64_t, StringHash, std::equal_to<>>;

// What one session listens to; owned by it, changed on its loop under the Pubsub's mutex.
struct Subscriptions {
  NumberedChannels channels;
  NumberedChannels patterns;
  NumberedChannels shard_channels;
  uint64_t last_number = 0;
};

// What waits for the end of a turn to be told: messages to channels, what clients with copies of
// keys are to forget, and that blocked clients are blocked no more. Moved, never shared; empty
// after deliver(). What one that is destroyed or assigned to still holds is never told, as its
// turn's writes have failed; but whoever is blocked no more goes on, and learns that himself.
class Outbox {
 public:
  Outbox() = default;
  ~Outbox() { drop(); }
  Outbox(Outbox&& other) noexcept = default;
  Outbox& operator=(Outbox&& other) noexcept;

  bool empty() const { return messages_ == nullptr && invalidations.empty() && steps_.empty(); }
  void add(Pubsub& pubsub, const Message& message);
  // Resumes a client whose wait has ended: behind what it is to be told before that, as Redis has
  // answered it by then; so at once if there is nothing.
  void resume(const std::shared_ptr<Link>& waiting);
  // Tells everything in the order in which it came, as Redis does, but for messages that have to
  // follow those of other turns: invalidations wait for nobody.
  void deliver();

  Invalidations invalidations;

 private:
  friend class Pubsub;
  void drop();
  void end_messages(bool tell);

  // So many messages had been published, and then so many keys been changed, before what comes
  // next: a message, or that somebody is resumed.
  struct Step {
    size_t messages;
    size_t changes;
    std::shared_ptr<Link> resumed = nullptr;
  };
  std::vector<Step> steps_;
  Pubsub* pubsub_ = nullptr;                // null only while there are no messages
  std::shared_ptr<TurnMessages> messages_;  // null: none
};

class Pubsub {
 public:
  // True if the session was not subscribed before.
  bool subscribe(Session& session, ChannelKind kind, std::string_view channel);
  // Calls `left` with each channel in turn once the session has left it, if it was there, and has
  // been pushed what it is still to hear from it: what was published before and waits for other
  // messages, or for the end of its loop's turn (`outbox`; null: the session is going, and hears
  // nothing any more). The tables are locked meanwhile: `left` does not publish or block.
  void unsubscribe(Session& session, ChannelKind kind, std::span<const std::string> channels,
                   const Outbox* outbox, engine::FunctionRef<void(std::string_view channel)> left);
  void unsubscribe_all(Session& session, const Outbox* outbox);
  // Returns when nobody is sending to sessions as they were when it was called.
  void settle() const { std::lock_guard guard(mutex_); }

  // Sessions that are gone (Session::is_gone) count nowhere from here on, and are sent nothing.
  // How many copies of a message would be sent now: PUBLISH's reply.
  size_t receivers(ChannelKind kind, std::string_view channel) const;
  // Writes the copies of a message that the session's own subscriptions ask for.
  static void write_own(const Session& session, ChannelKind kind, std::string_view channel,
                        std::string_view payload, resp::Writer& out);

  // PUBSUB CHANNELS, NUMSUB.
  std::vector<std::string> active_channels(ChannelKind kind,
                                           std::optional<std::string_view> pattern) const;
  size_t subscribers(ChannelKind kind, std::string_view channel) const;
  // How many of a kind somebody listens to: PUBSUB NUMPAT, and INFO. Unless `some_are_gone` it is
  // known without a look at each.
  size_t channel_count(ChannelKind kind, bool some_are_gone) const;

  // Calls `visit` with everything that somebody listens to and who does. The tables are locked
  // meanwhile and keep the sessions alive: the visitor does not subscribe, publish or block.
  void visit(
      const std::function<void(Session&, ChannelKind, std::string_view channel)>& visit) const;

  // Nobody listens to anything: publishing may be skipped.
  bool idle() const { return listeners_.load(std::memory_order_relaxed) == 0; }

 private:
  friend class Outbox;
  struct Subscriber {
    Session* session;
    uint64_t since;  // messages up to that number were published before it came
    bool operator==(const Session* other) const { return session == other; }
  };
  using Subscribers = std::vector<Subscriber>;
  static size_t count_present(const Subscribers& subscribers);
  static bool any_present(const Subscribers& subscribers);
  using Channels = std::unordered_map<std::string, Subscribers, StringHash, std::equal_to<>>;
  struct Pattern {
    std::string glob;
    Subscribers subscribers;
  };

  // The first messages of a turn are told, or it has ended, and the rest is told or not. Sends all
  // that nothing is in front of any more.
  void tell(TurnMessages& turn, size_t count);
  void end_turn(TurnMessages& turn, bool tell);
  void deliver_told();
  void deliver(const Message& message) const;
  template <class Write>
  static void send(const Message& message, const Subscribers& subscribers, Write write);

  // What a session that is about to leave a channel would miss.
  struct Waiting {
    uint64_t since;
    std::string messages;  // encoded
  };
  using WaitingIn = std::unordered_map<std::string_view, Waiting, StringHash>;
  WaitingIn find_waiting(const Session& session, ChannelKind kind,
                         std::span<const std::string> channels, const Outbox* outbox);
  const Subscribers& subscribers_of(ChannelKind kind, std::string_view channel) const;
  void remove(Session& session, ChannelKind kind, std::string_view channel);

  mutable std::mutex mutex_;
  MessageOrder order_;
  Channels channels_;
  Channels shard_channels_;
  std::list<Pattern> patterns_;  // in the order in which they first came
  std::unordered_map<std::string_view, std::list<Pattern>::iterator, StringHash> pattern_index_;
  std::atomic<size_t> listeners_{0};
};

}  // namespace respcask::server
