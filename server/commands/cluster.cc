// CLUSTER, to a server with cluster mode off: the answers of a Redis with it off, but that what is
// asked about slots is true, since a key's shard is found by its slot here too.
#include <cstdint>

#include "engine/slot.h"
#include "server/command_table.h"
#include "server/commands/scan.h"
#include "server/context.h"
#include "server/server.h"

namespace respcask::server {
namespace {

void refuse_cluster(Context& c) {
  c.error("ERR This instance has cluster support disabled");
}

void cmd_cluster_keyslot(Context& c) {
  c.reply().integer(engine::key_slot(c.arg(2)));
}

bool is_slot(int64_t number) {
  return number >= 0 && number < int64_t{engine::kSlots};
}

// Calls `visit` with the names of a slot's keys until it returns false. There is no list of them:
// all keys of the slot's shard are looked at, some at a time.
template <class Visit>
void for_each_in_slot(Context& c, uint16_t slot, Visit visit) {
  const uint32_t shard = engine::shard_of_slot(slot, c.server().store.shard_count());
  Slice slice;
  uint64_t position = 0;
  bool more = true;
  do {
    c.with_shard(shard, [&](engine::Shard& home) {
      slice.read(c, home, c.db(), UINT64_MAX, position, [](const auto&) { return true; });
    });
    slice.for_each([&](std::string_view name) {
      if (more && engine::key_slot(name) == slot) more = visit(name);
    });
  } while (more && position != 0);
}

void cmd_cluster_countkeysinslot(Context& c) {
  const auto slot = c.integer_arg(2);
  if (!slot) return;
  if (!is_slot(*slot)) return c.error("ERR Invalid slot");
  int64_t count = 0;
  for_each_in_slot(c, static_cast<uint16_t>(*slot), [&](std::string_view) {
    ++count;
    return true;
  });
  c.reply().integer(count);
}

void cmd_cluster_getkeysinslot(Context& c) {
  const auto slot = c.integer_arg(2);
  if (!slot) return;
  const auto most = c.integer_arg(3);
  if (!most) return;
  if (!is_slot(*slot) || *most < 0) return c.error("ERR Invalid slot or number of keys");
  const auto mark = c.reply().defer();
  int64_t found = 0;
  if (*most > 0) {
    for_each_in_slot(c, static_cast<uint16_t>(*slot), [&](std::string_view name) {
      c.reply().bulk(name);
      return ++found < *most;
    });
  }
  c.reply().finish_array(mark, static_cast<size_t>(found));
}

constexpr std::string_view kNondeterministic[] = {"nondeterministic_output"};
constexpr Argument kNodeIdArgs[] = {
    {.name = "node-id"},
};
constexpr Argument kSlotsArgs[] = {
    {.name = "slot", .type = ArgType::kInteger, .flags = kMultiple},
};
constexpr Argument kSlotRangesArgsStartSlotEndSlot[] = {
    {.name = "start-slot", .type = ArgType::kInteger},
    {.name = "end-slot", .type = ArgType::kInteger},
};
constexpr Argument kSlotRangesArgs[] = {
    {.name = "start-slot_end-slot",
     .type = ArgType::kBlock,
     .flags = kMultiple,
     .sub = kSlotRangesArgsStartSlotEndSlot},
};
constexpr Argument kClusterCountkeysinslotArgs[] = {
    {.name = "slot", .type = ArgType::kInteger},
};
constexpr Argument kClusterFailoverArgsOptions[] = {
    {.name = "force", .type = ArgType::kPureToken, .token = "FORCE"},
    {.name = "takeover", .type = ArgType::kPureToken, .token = "TAKEOVER"},
};
constexpr Argument kClusterFailoverArgs[] = {
    {.name = "options",
     .type = ArgType::kOneof,
     .flags = kOptional,
     .sub = kClusterFailoverArgsOptions},
};
constexpr Argument kClusterGetkeysinslotArgs[] = {
    {.name = "slot", .type = ArgType::kInteger},
    {.name = "count", .type = ArgType::kInteger},
};
constexpr Argument kClusterKeyslotArgs[] = {
    {.name = "key"},
};
constexpr Argument kClusterMeetArgs[] = {
    {.name = "ip"},
    {.name = "port", .type = ArgType::kInteger},
    {.name = "cluster_bus_port", .type = ArgType::kInteger, .since = "4.0.0", .flags = kOptional},
};
constexpr HistoryEntry kClusterMeetHistory[] = {
    {"4.0.0", "Added the optional `cluster_bus_port` argument."},
};
constexpr Argument kClusterResetArgsHardSoft[] = {
    {.name = "hard", .type = ArgType::kPureToken, .token = "HARD"},
    {.name = "soft", .type = ArgType::kPureToken, .token = "SOFT"},
};
constexpr Argument kClusterResetArgs[] = {
    {.name = "hard_soft",
     .type = ArgType::kOneof,
     .flags = kOptional,
     .sub = kClusterResetArgsHardSoft},
};
constexpr Argument kClusterSetConfigEpochArgs[] = {
    {.name = "config-epoch", .type = ArgType::kInteger},
};
constexpr Argument kClusterSetslotArgsSubcommand[] = {
    {.name = "node-id", .token = "IMPORTING"},
    {.name = "node-id", .token = "MIGRATING"},
    {.name = "node-id", .token = "NODE"},
    {.name = "stable", .type = ArgType::kPureToken, .token = "STABLE"},
};
constexpr Argument kClusterSetslotArgs[] = {
    {.name = "slot", .type = ArgType::kInteger},
    {.name = "subcommand", .type = ArgType::kOneof, .sub = kClusterSetslotArgsSubcommand},
};
constexpr HistoryEntry kClusterSlotsHistory[] = {
    {"4.0.0", "Added node IDs."},
    {"7.0.0", "Added additional networking metadata field."},
};
constexpr Command kClusterSubcommands[] = {
    {.name = "addslots",
     .handler = refuse_cluster,
     .arity = -3,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the total number of hash slot arguments",
     .summary = "Assign new hash slots to receiving node",
     .arguments = kSlotsArgs},
    {.name = "addslotsrange",
     .handler = refuse_cluster,
     .arity = -4,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "7.0.0",
     .complexity = "O(N) where N is the total number of the slots between the start slot and end "
                   "slot arguments.",
     .summary = "Assign new hash slots to receiving node",
     .arguments = kSlotRangesArgs},
    {.name = "bumpepoch",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Advance the cluster config epoch",
     .tips = kNondeterministic},
    {.name = "count-failure-reports",
     .handler = refuse_cluster,
     .arity = 3,
     .flags = kAdmin | kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the number of failure reports",
     .summary = "Return the number of failure reports active for a given node",
     .arguments = kNodeIdArgs,
     .tips = kNondeterministic},
    {.name = "countkeysinslot",
     .handler = cmd_cluster_countkeysinslot,
     .arity = 3,
     .flags = kStale | kOwnLocks,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Return the number of local keys in the specified hash slot",
     .arguments = kClusterCountkeysinslotArgs},
    {.name = "delslots",
     .handler = refuse_cluster,
     .arity = -3,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the total number of hash slot arguments",
     .summary = "Set hash slots as unbound in receiving node",
     .arguments = kSlotsArgs},
    {.name = "delslotsrange",
     .handler = refuse_cluster,
     .arity = -4,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "7.0.0",
     .complexity = "O(N) where N is the total number of the slots between the start slot and end "
                   "slot arguments.",
     .summary = "Set hash slots as unbound in receiving node",
     .arguments = kSlotRangesArgs},
    {.name = "failover",
     .handler = refuse_cluster,
     .arity = -2,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Forces a replica to perform a manual failover of its master.",
     .arguments = kClusterFailoverArgs},
    {.name = "flushslots",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Delete a node's own slots information"},
    {.name = "forget",
     .handler = refuse_cluster,
     .arity = 3,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Remove a node from the nodes table",
     .arguments = kNodeIdArgs},
    {.name = "getkeysinslot",
     .handler = cmd_cluster_getkeysinslot,
     .arity = 4,
     .flags = kStale | kOwnLocks,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(log(N)) where N is the number of requested keys",
     .summary = "Return local key names in the specified hash slot",
     .arguments = kClusterGetkeysinslotArgs,
     .tips = kNondeterministic},
    {.name = "help",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kCluster,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "info",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Provides info about Redis Cluster node state",
     .tips = kNondeterministic},
    {.name = "keyslot",
     .handler = cmd_cluster_keyslot,
     .arity = 3,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the number of bytes in the key",
     .summary = "Returns the hash slot of the specified key",
     .arguments = kClusterKeyslotArgs},
    {.name = "links",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "7.0.0",
     .complexity = "O(N) where N is the total number of Cluster nodes",
     .summary = "Returns a list of all TCP links to and from peer nodes in cluster",
     .tips = kNondeterministic},
    {.name = "meet",
     .handler = refuse_cluster,
     .arity = -4,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Force a node cluster to handshake with another node",
     .arguments = kClusterMeetArgs,
     .history = kClusterMeetHistory},
    {.name = "myid",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Return the node id"},
    {.name = "nodes",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the total number of Cluster nodes",
     .summary = "Get Cluster config for the node",
     .tips = kNondeterministic},
    {.name = "replicas",
     .handler = refuse_cluster,
     .arity = 3,
     .flags = kAdmin | kStale,
     .group = Group::kCluster,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "List replica nodes of the specified master node",
     .arguments = kNodeIdArgs,
     .tips = kNondeterministic},
    {.name = "replicate",
     .handler = refuse_cluster,
     .arity = 3,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Reconfigure a node as a replica of the specified master node",
     .arguments = kNodeIdArgs},
    {.name = "reset",
     .handler = refuse_cluster,
     .arity = -2,
     .flags = kAdmin | kNoscript | kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the number of known nodes. The command may execute a FLUSHALL "
                   "as a side effect.",
     .summary = "Reset a Redis Cluster node",
     .arguments = kClusterResetArgs},
    {.name = "saveconfig",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Forces the node to save cluster state on disk"},
    {.name = "set-config-epoch",
     .handler = refuse_cluster,
     .arity = 3,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Set the configuration epoch in a new node",
     .arguments = kClusterSetConfigEpochArgs},
    {.name = "setslot",
     .handler = refuse_cluster,
     .arity = -4,
     .flags = kAdmin | kStale | kNoAsyncLoading,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Bind a hash slot to a specific node",
     .arguments = kClusterSetslotArgs},
    {.name = "shards",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "7.0.0",
     .complexity = "O(N) where N is the total number of cluster nodes",
     .summary = "Get array of cluster slots to node mappings",
     .tips = kNondeterministic},
    {.name = "slaves",
     .handler = refuse_cluster,
     .arity = 3,
     .flags = kAdmin | kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "List replica nodes of the specified master node",
     .arguments = kNodeIdArgs,
     .tips = kNondeterministic,
     .deprecated_since = "5.0.0",
     .replaced_by = "`CLUSTER REPLICAS`"},
    {.name = "slots",
     .handler = refuse_cluster,
     .arity = 2,
     .flags = kStale,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(N) where N is the total number of Cluster nodes",
     .summary = "Get array of Cluster slot to node mappings",
     .history = kClusterSlotsHistory,
     .tips = kNondeterministic,
     .deprecated_since = "7.0.0",
     .replaced_by = "`CLUSTER SHARDS`"},
};
constexpr Command kRows[] = {
    {.name = "asking",
     .handler = refuse_cluster,
     .arity = 1,
     .flags = kFast,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Sent by cluster clients after an -ASK redirect",
     .categories = kCatConnection},
    {.name = "cluster",
     .arity = -2,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for cluster commands",
     .subcommands = kClusterSubcommands},
    {.name = "readonly",
     .handler = refuse_cluster,
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Enables read queries for a connection to a cluster replica node",
     .categories = kCatConnection},
    {.name = "readwrite",
     .handler = refuse_cluster,
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .group = Group::kCluster,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Disables read queries for a connection to a cluster replica node",
     .categories = kCatConnection},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> cluster_commands() {
  return kRows;
}

}  // namespace respcask::server
