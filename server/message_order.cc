#include "server/message_order.h"

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
  // Nobody else looks at it before the turn has ended.
  turn->messages_.push_back({message.kind, static_cast<uint32_t>(message.channel.size()),
                             turn->bytes_.size(), message.payload.size(), message.origin, number});
  turn->bytes_.append(message.channel).append(message.payload);
}

uint64_t MessageOrder::last_number() {
  std::lock_guard guard(mutex_);
  return last_number_;
}

void MessageOrder::end(TurnMessages& turn, bool tell) {
  std::lock_guard guard(mutex_);
  turn.state_ = tell ? TurnMessages::State::kTold : TurnMessages::State::kDropped;
}

std::optional<MessageRun> MessageOrder::take() {
  std::lock_guard guard(mutex_);
  while (!line_.empty() && line_.front().turn->state_ != TurnMessages::State::kOpen) {
    MessageRun run = std::move(line_.front());
    line_.pop_front();
    if (run.turn->state_ == TurnMessages::State::kTold) return run;
  }
  return std::nullopt;
}

void MessageOrder::visit_waiting(const TurnMessages* open,
                                 engine::FunctionRef<void(const Message&)> visit) {
  std::lock_guard guard(mutex_);
  for (const MessageRun& run : line_) {
    if (run.turn->state_ != TurnMessages::State::kTold && run.turn.get() != open) continue;
    for (size_t i = run.begin; i < run.end; ++i) visit((*run.turn)[i]);
  }
}

}  // namespace respcask::server
