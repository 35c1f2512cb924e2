#include "tests/differential/differences.h"

#include <algorithm>
#include <charconv>

namespace respcask::differential {
namespace {

using enum Comparison;

constexpr Difference kDifferences[] = {
    {"ttl", kNear, "the two servers ran the command that set the expiry at different moments"},
    {"pttl", kNear, "as ttl"},
    {"expiretime", kNear, "as ttl"},
    {"pexpiretime", kNear, "as ttl"},
    {"object idletime", kShape, "Redis shares small integers among keys, and so their idle time"},
    {"object refcount", kShape, "Redis shares some small integers and copies others"},
    {"keys", kUnordered, "the order of keys follows the hash, which each process seeds anew"},
    {"scan", kPage, "what a cursor means, and how much a page holds, follows the hash as well"},
    {"randomkey", kShape, "chance"},
    {"hgetall", kUnorderedPairs, "the order of a hash table's fields follows its seed"},
    {"hscan", kPage, "as scan"},
    {"hkeys", kUnordered, "as hgetall"},
    {"hvals", kUnordered, "as hgetall"},
    {"smembers", kUnordered, "the order of a hash table's members follows its seed"},
    {"sinter", kUnordered, "as smembers"},
    {"sunion", kUnordered, "as smembers"},
    {"sdiff", kUnordered, "as smembers"},
    {"spop", kUnordered, "as smembers"},
    {"srandmember", kUnordered, "as smembers"},
    {"sscan", kPage, "as scan"},
    {"zscan", kPage, "as scan"},
    {"hello", kShape, "names the server's version and the connection's number"},
    {"client help", kSubset, "lists the subcommands that there are"},
    {"command count", kShape, "counts the commands that there are"},
    {"client id", kShape, "each server numbers its own connections"},
    {"slowlog len", kShape, "which commands were slow"},
    {"time", kShape, "the time"},
    {"lastsave", kShape, "the time of a backup"},
    {"lolwut", kShape, "chance, and names the version"},
    {"info", kShape, "figures of each server's own"},
    {"function help", kSubset, "as client help"},
    {"script help", kSubset, "as client help"},
    {"pubsub channels", kUnordered, "the order of a hash table's channels"},
    {"pubsub shardchannels", kUnordered, "as pubsub channels"},
    {"command info", kUnordered, "subcommands come in the order of a hash table of Redis's"},
    {"command docs", kUnordered, "as command info"},
    {"command list", kUnordered, "as command info"},
};

constexpr NotCompared kNotCompared[] = {
    {"cluster|keyslot", "true here; Redis refuses where cluster mode is off"},
    {"cluster|countkeysinslot", "as cluster|keyslot"},
    {"cluster|getkeysinslot", "as cluster|keyslot"},
    {"acl|cat", "users are compared in acl_test.cc"},
    {"acl|deluser", "as acl|cat"},
    {"acl|dryrun", "as acl|cat"},
    {"acl|genpass", "as acl|cat"},
    {"acl|getuser", "as acl|cat"},
    {"acl|help", "as acl|cat"},
    {"acl|list", "as acl|cat"},
    {"acl|load", "as acl|cat"},
    {"acl|log", "as acl|cat"},
    {"acl|save", "as acl|cat"},
    {"acl|setuser", "as acl|cat"},
    {"acl|users", "as acl|cat"},
    {"acl|whoami", "as acl|cat"},
    {"client|list", "tells of sockets and processes; sent with wrong arguments only"},
    {"client|info", "as client|list"},
    {"module|help", "tells of loading, which is not there; tested in server_commands_test.cc"},
    {"module|list", "as module|help"},
    {"pfselftest", "takes Redis seconds to say OK"},
    {"quit", "ends the connection; tested end to end"},
};

const Difference* find(const std::vector<std::string>& args) {
  if (args.empty()) return nullptr;
  const std::string one = lower(args[0]);
  const std::string two = args.size() > 1 ? one + " " + lower(args[1]) : one;
  for (const Difference& difference : kDifferences) {
    if (difference.command == one || difference.command == two) return &difference;
  }
  return nullptr;
}

bool near(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours,
          std::chrono::milliseconds held_up) {
  if (theirs.type != ':' || ours.type != ':') return false;
  int64_t a = 0;
  int64_t b = 0;
  std::from_chars(theirs.text.data(), theirs.text.data() + theirs.text.size(), a);
  std::from_chars(ours.text.data(), ours.text.data() + ours.text.size(), b);
  if (a < 0 || b < 0) return a == b;
  const int64_t tolerance_ms = kToleranceSeconds * 1000 + held_up.count();
  const bool milliseconds = lower(args[0])[0] == 'p';
  return std::abs(a - b) <= (milliseconds ? tolerance_ms : tolerance_ms / 1000);
}

// The same text for the same elements in whatever order.
std::string sorted(const Reply& reply) {
  if (!reply.is_aggregate()) return reply.raw;
  std::vector<std::string> items;
  if (reply.type == '%') {
    for (size_t i = 0; i + 1 < reply.items.size(); i += 2) {
      items.push_back(sorted(reply.items[i]) + sorted(reply.items[i + 1]));
    }
  } else {
    for (const Reply& item : reply.items) items.push_back(sorted(item));
  }
  std::sort(items.begin(), items.end());
  std::string text = reply.type + std::to_string(reply.items.size()) + (reply.null ? "-" : "+");
  for (const std::string& item : items) text += item;
  return text;
}

bool same_pairs(const Reply& theirs, const Reply& ours) {
  if (theirs.type != ours.type || theirs.items.size() != ours.items.size()) return false;
  if (!theirs.is_aggregate() || theirs.items.size() % 2 != 0) return false;
  const auto pairs = [](const Reply& reply) {
    std::vector<std::string> list;
    for (size_t i = 0; i < reply.items.size(); i += 2) {
      list.push_back(reply.items[i].raw + reply.items[i + 1].raw);
    }
    std::sort(list.begin(), list.end());
    return list;
  };
  return pairs(theirs) == pairs(ours);
}

// One page of a scan: the same elements if both say that it is all there is.
bool same_page(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours) {
  if (theirs.is_error() || ours.is_error()) return false;
  if (theirs.items.size() != 2 || ours.items.size() != 2) return false;
  if (!theirs.items[1].is_aggregate() || !ours.items[1].is_aggregate()) return false;
  const std::string& from = args[lower(args[0]) == "scan" ? 1 : 2];
  const bool whole = from == "0" && theirs.items[0].text == "0" && ours.items[0].text == "0";
  return !whole || sorted(theirs.items[1]) == sorted(ours.items[1]);
}

bool same_shape(const Reply& theirs, const Reply& ours) {
  if (theirs.type != ours.type || theirs.null != ours.null) return false;
  if (theirs.is_error()) return theirs.text == ours.text;
  if (theirs.items.size() != ours.items.size()) return false;
  return std::equal(theirs.items.begin(), theirs.items.end(), ours.items.begin(), same_shape);
}

}  // namespace

std::span<const Difference> differences() {
  return kDifferences;
}

std::span<const NotCompared> not_compared() {
  return kNotCompared;
}

bool same(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours,
          std::chrono::milliseconds held_up) {
  if (theirs.raw == ours.raw) return true;
  const Difference* const difference = find(args);
  if (difference == nullptr) return false;
  switch (difference->comparison) {
    case kNear:
      return near(args, theirs, ours, held_up);
    case kUnordered:
      return sorted(theirs) == sorted(ours);
    case kUnorderedPairs:
      return same_pairs(theirs, ours);
    case kPage:
      return same_page(args, theirs, ours);
    case kSubset:
      return theirs.type == ours.type && !ours.items.empty() &&
             std::all_of(ours.items.begin(), ours.items.end(), [&](const Reply& item) {
               return std::any_of(theirs.items.begin(), theirs.items.end(),
                                  [&](const Reply& other) { return other.raw == item.raw; });
             });
    case kShape:
      return same_shape(theirs, ours);
  }
  return false;
}

}  // namespace respcask::differential
