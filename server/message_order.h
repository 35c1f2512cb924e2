// MessageOrder: messages to channels leave in the order in which they were published, whichever
// loops published them, and none before its turn's writes are in the kernel.
//
// A message gets its place in the line when it is published, which for a keyspace event is while
// the key's shard is locked: subscribers hear of a key's changes in the order in which they were
// made. A turn tells of its messages only at its end; until then those of other turns that stand
// behind wait for them, and leave with whoever ends the turn in front.
//
// Any thread; a TurnMessages is filled by the thread of its turn alone. The line shares it with
// the turn's Outbox (pubsub.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/function_ref.h"

namespace respcask::server {

enum class ChannelKind : uint8_t { kChannel, kPattern, kShard };

struct Message {
  ChannelKind kind;  // kChannel or kShard
  std::string_view channel;
  std::string_view payload;
  uint64_t origin;      // the id of the session that has had its own copy already; 0: none
  uint64_t number = 0;  // rising in the order of all; given by MessageOrder
};

// The messages of one turn.
class TurnMessages {
 public:
  Message operator[](size_t index) const;
  size_t size() const { return messages_.size(); }

 private:
  friend class MessageOrder;
  struct Placed {
    ChannelKind kind;
    uint32_t channel_size;
    size_t begin;  // of the channel in bytes_; the payload follows
    size_t payload_size;
    uint64_t origin;
    uint64_t number;
  };
  std::string bytes_;
  std::vector<Placed> messages_;
  // Under the mutex of the order: how many may leave; what has not been told when the turn ends is
  // dropped.
  size_t told_ = 0;
  bool ended_ = false;
};

// Messages `begin` to `end` of a turn.
struct MessageRun {
  std::shared_ptr<TurnMessages> turn;
  size_t begin;
  size_t end;
};

class MessageOrder {
 public:
  // Gives the message the last place. A null `turn` is made; the message's views are copied.
  void add(std::shared_ptr<TurnMessages>& turn, const Message& message);

  // Of the last message that was added; 0: there was none.
  uint64_t last_number();

  // The first `count` messages of the turn may leave. No more are added from now on. take() has
  // something to do then, perhaps.
  void tell(TurnMessages& turn, size_t count);
  // The turn has ended: all its messages may leave, or none that may not yet. The same holds.
  void end(TurnMessages& turn, bool tell);

  // Takes what may leave next out of the line; none while the first in it is to wait. The caller
  // sees to it that runs are sent in the order in which they were taken.
  std::optional<MessageRun> take();

  // Nothing waits, told or not.
  bool empty();
  // Calls `visit` with each message that is told already but waits for others, and with those of
  // `open`, the caller's turn (null: none); they stay. Does nothing if none was added after the one
  // of the number `since`.
  void visit_waiting(const TurnMessages* open, uint64_t since,
                     engine::FunctionRef<void(const Message&)> visit);

 private:
  std::mutex mutex_;
  uint64_t last_number_ = 0;
  std::deque<MessageRun> line_;  // each as long as nobody else's messages came in between
};

}  // namespace respcask::server
