// What is done about steps that the servers do not agree on.
#include <algorithm>
#include <set>

#include "tests/differential/differences.h"
#include "tests/differential/duel.h"
#include "tests/differential/reply.h"

namespace respcask::differential {
namespace {

// The key of whose members the command asks for a range by name, if that is what it does.
std::optional<std::string> key_of_range_by_name(const std::vector<std::string>& args) {
  if (args.size() < 4) return std::nullopt;
  const std::string name = lower(args[0]);
  if (name == "zrangebylex" || name == "zrevrangebylex" || name == "zlexcount" ||
      name == "zremrangebylex") {
    return args[1];
  }
  if (name != "zrange" && name != "zrangestore") return std::nullopt;
  const bool by_name = std::any_of(args.begin() + 4, args.end(),
                                   [](const std::string& arg) { return lower(arg) == "bylex"; });
  if (!by_name) return std::nullopt;
  return args[name == "zrangestore" ? 2 : 1];
}

}  // namespace

bool Duel::is_unspecified(std::span<const Step> steps, const Mismatch& mismatch) {
  const Step& step = steps[mismatch.step];
  if (step.kind != Step::Kind::kCommand || clients_[step.client].in_multi) return false;
  const std::optional<std::string> key = key_of_range_by_name(step.args);
  const std::string name = lower(step.args[0]);
  const bool sorts = name == "sort" || name == "sort_ro";
  if (!key && !sorts) return false;
  if (run(steps.first(mismatch.step), std::nullopt)) return false;
  return key ? has_several_scores(step.client, *key) : agree_without_old_errno(step);
}

// Redis's SORT takes ERANGE for its own that an earlier command has left in errno. Reading a score
// sets it to 0.
bool Duel::agree_without_old_errno(const Step& step) {
  const std::string question = encode({"ZADD", "nosuch", "XX", "1", "a"}) + encode(step.args);
  std::vector<Reply> replies;
  for (Side* side : {&oracle_, &subject_}) {
    for (Reply& reply : side->clients[step.client]->exchange(question, 2, nullptr)) {
      replies.push_back(std::move(reply));
    }
  }
  if (replies.size() != 4) return false;
  if (tampering_.reply) tampering_.reply(step.args, replies[3]);
  return same(step.args, replies[1], replies[3]);
}

bool Duel::has_several_scores(unsigned with, const std::string& key) {
  Connection& client = *oracle_.clients[with];
  const std::string question = encode({"ZRANGE", key, "0", "-1", "WITHSCORES"});
  const std::vector<Reply> replies = client.exchange(encode({"HELLO", "2"}) + question, 2, nullptr);
  if (replies.size() != 2) return false;
  std::set<std::string> scores;
  const std::vector<Reply>& items = replies[1].items;
  for (size_t i = 1; i < items.size(); i += 2) scores.insert(items[i].text);
  return scores.size() > 1;
}

std::vector<Step> Duel::shrink(std::vector<Step> steps, Mismatch* mismatch,
                               std::chrono::seconds budget) {
  const auto deadline = std::chrono::steady_clock::now() + budget;
  const auto in_time = [&] { return std::chrono::steady_clock::now() < deadline; };
  steps.resize(mismatch->step + 1);
  std::optional<Mismatch> now = run(steps, std::nullopt);
  if (!now) return steps;
  steps.resize(now->step + 1);
  *mismatch = *now;
  const auto try_this = [&](std::vector<Step> fewer) {
    for (size_t i = fewer.size(); i-- > 0;) {
      const bool in_multi = i > 0 && fewer[i - 1].client == fewer[i].client &&
                            fewer[i - 1].args == std::vector<std::string>{"MULTI"};
      if (fewer[i].needs_multi && !in_multi) {
        fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
      }
    }
    if (fewer.size() >= steps.size()) return false;
    const std::optional<Mismatch> found = run(fewer, std::nullopt);
    if (!found) return false;
    fewer.resize(found->step + 1);
    steps = std::move(fewer);
    *mismatch = *found;
    return true;
  };
  // Halves, quarters, ... and then single steps, from the front, as long as something goes.
  for (size_t piece = std::max<size_t>(steps.size() / 2, 1); in_time();) {
    bool any = false;
    for (size_t at = 0; at + 1 < steps.size() && in_time();) {
      std::vector<Step> fewer(steps.begin(), steps.begin() + static_cast<ptrdiff_t>(at));
      const size_t rest = std::min(at + piece, steps.size() - 1);
      fewer.insert(fewer.end(), steps.begin() + static_cast<ptrdiff_t>(rest), steps.end());
      if (try_this(std::move(fewer))) {
        any = true;
      } else {
        at += piece;
      }
    }
    if (piece == 1 && !any) break;
    piece = std::max<size_t>(piece / 2, 1);
  }
  return steps;
}

}  // namespace respcask::differential
