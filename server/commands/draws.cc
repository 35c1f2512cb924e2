#include "server/commands/draws.h"

#include <limits>
#include <string_view>

#include "engine/random.h"
#include "server/client_info.h"
#include "server/session.h"
#include "server/types/name_table.h"

namespace respcask::server {

std::optional<int64_t> random_count_arg(Context& c, size_t i) {
  const auto count = c.integer_arg(i);
  if (count && *count == std::numeric_limits<int64_t>::min()) {
    c.error(
        "ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807");
    return std::nullopt;
  }
  return count;
}

void refuse_drawn_reply(Context& c, size_t begin) {
  c.reply().truncate(begin);
  const uint64_t limit = output_limit(c.config(), c.session()).hard_bytes;
  if (limit != 0 && limit <= kMaxDrawnReplyBytes) c.session().carrier.close(false);
  c.error("ERR the reply would exceed 512 MiB");
}

Draws::Draws(Context& c) : c_(c), state_(c.session().random_state) {}

Draws::~Draws() {
  if (c_.ready()) c_.session().random_state = state_;
}

uint64_t Draws::next() {
  return engine::next_random(state_);
}

std::vector<Members::Member> Draws::distinct(const Members& members, uint64_t count) {
  const uint64_t size = members.size();
  if (count >= size) return members.all();
  std::vector<Members::Member> drawn;
  drawn.reserve(count);
  // Where few are wanted of many it is faster to draw again what was drawn before than to look at
  // all of them.
  constexpr uint64_t kManyTimes = 3;
  if (members.is_split() && count < size / kManyTimes) {
    NameTable names(count);
    while (drawn.size() < count) {
      const Members::Member member = one(members);
      if (names.insert(member.name)) drawn.push_back(member);
    }
    return drawn;
  }
  // Selection sampling: D. E. Knuth, "The Art of Computer Programming", vol. 2, 3.4.2, algorithm S.
  uint64_t left = size;
  members.for_each([&](const Members::Member& member) {
    if (below(left) < count - drawn.size()) drawn.push_back(member);
    --left;
  });
  return drawn;
}

void Draws::reply_repeated(const Members& members, uint64_t count,
                           engine::FunctionRef<void()> header,
                           engine::FunctionRef<void(const Members::Member&)> reply) {
  const size_t begin = c_.reply().size();
  if (count > kMaxDrawn) return refuse_drawn_reply(c_, begin);
  header();
  // Each draw among packed members would read those before the one that it takes.
  std::vector<Members::Member> all;
  if (!members.is_split()) all = members.all();
  for (; count > 0; --count) {
    reply(members.is_split() ? one(members) : all[below(all.size())]);
    if (c_.reply().size() - begin > kMaxDrawnReplyBytes) return refuse_drawn_reply(c_, begin);
  }
}

}  // namespace respcask::server
