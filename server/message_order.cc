#include "server/message_order.h"

#include <algorithm>
#include <utility>

namespace respcask::server {

Message TurnMessages::operator[](size_t index) const {
  const Placed& at = messages_[index];
  const std::string_view bytes(bytes_);
  return {at.kind, bytes.substr(at.begin, at.channel_size),
          bytes.substr(at.begin + at.channel_size, at.payload_size), at.origin, at.number};
}

void MessageOrder::add(std::shared_ptr<TurnMessages>& turn, const Message& message) {
  if (turn == nullptr) turn = std::make_shared<TurnMessages>();
  const size_t index = turn->messages_.size();
  uint64_t number = 0;
  {
    std::lock_guard guard(mutex_);
    number = ++last_number_;
    if (!line_.empty() && line_.back().turn == turn) {
      line_.back().end = index + 1;
    } else {
      line_.push_back({turn, index, index + 1});
    }
  }
  // Nobody else looks at it before it is told.
  turn->messages_.push_back({message.kind, static_cast<uint32_t>(message.channel.size()),
                             turn->bytes_.size(), message.payload.size(), message.origin, number});
  turn->bytes_.append(message.channel).append(message.payload);
}

uint64_t MessageOrder::last_number() {
  std::lock_guard guard(mutex_);
  return last_number_;
}

void MessageOrder::tell(TurnMessages& turn, size_t count) {
  std::lock_guard guard(mutex_);
  turn.told_ = count;
}

void MessageOrder::end(TurnMessages& turn, bool tell) {
  std::lock_guard guard(mutex_);
  if (tell) turn.told_ = turn.size();
  turn.ended_ = true;
}

std::optional<MessageRun> MessageOrder::take() {
  std::lock_guard guard(mutex_);
  while (!line_.empty()) {
    MessageRun& first = line_.front();
    const size_t told = first.turn->told_;
    if (told < first.end && told > first.begin) {
      return MessageRun{first.turn, std::exchange(first.begin, told), told};
    }
    if (told < first.end && !first.turn->ended_) break;
    MessageRun run = std::move(first);
    line_.pop_front();
    if (told >= run.end) return run;
  }
  return std::nullopt;
}

bool MessageOrder::empty() {
  std::lock_guard guard(mutex_);
  return line_.empty();
}

void MessageOrder::visit_waiting(const TurnMessages* open, uint64_t since,
                                 engine::FunctionRef<void(const Message&)> visit) {
  std::lock_guard guard(mutex_);
  if (last_number_ <= since) return;
  for (const MessageRun& run : line_) {
    const size_t end = run.turn.get() == open ? run.end : std::min(run.end, run.turn->told_);
    for (size_t i = run.begin; i < end; ++i) visit((*run.turn)[i]);
  }
}

}  // namespace respcask::server
