// Commands that exist only in tests of what surrounds commands: dispatch, waiting, transactions.
// A queue is a list key whose value is its items, each behind a comma. Stateless; any thread.
//
//     probeset KEY VALUE          probepush KEY ITEM             (wakes those who wait)
//     probeget KEY                probepop KEY... DEADLINE       (Unix ms; 0: waits for ever)
//     probedel KEY                probemove FROM TO DEADLINE
//     probeexpire KEY UNIX-MS     probefail                      (an error)
//     probeall                    (locks all shards)   probekeys (counts keys, a shard at a time)
#pragma once

#include <span>

#include "server/command.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {

std::span<const Command> probe_commands();

// A harness whose server knows them.
struct ProbeHarness : Harness {
  explicit ProbeHarness(std::initializer_list<std::string_view> settings = {},
                        engine::FileSystem* disk = nullptr)
      : Harness(settings, probe_commands(), disk) {}
};

}  // namespace respcask::server::testing
