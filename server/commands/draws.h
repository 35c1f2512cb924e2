// Drawing lots: among the members of a hash or a set for HRANDFIELD, SRANDMEMBER and SPOP, among
// numbers for ZRANDMEMBER and RANDOMKEY; and how long the reply may get.
//
// Draws owns nothing; it lives on the stack of one run of one command. What it draws it draws again
// if the command has to run again because a value was cold: else every run would ask for other
// values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/function_ref.h"
#include "server/context.h"
#include "server/types/members.h"

namespace respcask::server {

// The count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER at argument `i`; nothing, and the error
// replied, if it is none.
std::optional<int64_t> random_count_arg(Context& c, size_t i);

// Redis lets a client ask for members again and again until memory is full. Here a reply that would
// take more than this is refused, where the count alone says so before anything is drawn; it began
// at byte `begin` of the output. A client whose own output limit is lower is cut off, as in Redis.
inline constexpr uint64_t kMaxDrawnReplyBytes = uint64_t{512} << 20;
inline constexpr uint64_t kMaxDrawn = kMaxDrawnReplyBytes / 6;  // bytes of an empty bulk
void refuse_drawn_reply(Context& c, size_t begin);

class Draws {
 public:
  explicit Draws(Context& c);
  ~Draws();
  Draws(const Draws&) = delete;
  Draws& operator=(const Draws&) = delete;

  uint64_t next();
  // A number below `end`, which is not 0.
  uint64_t below(uint64_t end) { return next() % end; }

  // One of the members. There must be one.
  Members::Member one(const Members& members) { return members.random(next()); }

  // `count` different ones, or all if there are no more; every choice is as likely as any other.
  std::vector<Members::Member> distinct(const Members& members, uint64_t count);

  // Replies to a client that asks for `count` members whether or not they come twice: `header()`,
  // and `reply()` with each; or refuses, if that gets too long. There must be a member.
  void reply_repeated(const Members& members, uint64_t count, engine::FunctionRef<void()> header,
                      engine::FunctionRef<void(const Members::Member&)> reply);

 private:
  Context& c_;
  uint64_t state_;
};

}  // namespace respcask::server
