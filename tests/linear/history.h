// Histories of concurrent operations on one object, and whether they are linearizable: whether each
// operation can be given a moment between its begin and its end such that the results are those of
// the operations done one at a time in that order.
//
// An object's state is a number: a register's value (0: absent), a counter, or a set's members as
// bits. Values written to a register are never written twice, so what a read has seen is never in
// doubt. An operation whose reply never came has happened at some moment after its begin, or never.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace respcask::linear {

enum class Kind : uint8_t {
  kRead,           // result: the value
  kWrite,          // argument: the value
  kWriteIfAbsent,  // argument: the value; result: whether it was absent
  kExchange,       // argument: the new value; result: the old one
  kCompareAndSet,  // argument: the new value; expected: the old one; only those that succeeded
  kDelete,         // result: whether it was there
  kAdd,            // argument: how much; result: the sum
  kInsert,         // argument: a member, 0..63; result: whether it is new
  kErase,          // argument: a member; result: whether it was there
  kContains,       // argument: a member; result: whether it is there
  kCount,          // result: the number of members
};

struct Operation {
  Kind kind = Kind::kRead;
  uint64_t argument = 0;
  uint64_t expected = 0;
  uint64_t result = 0;
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  bool maybe = false;  // no reply: `result` and `end_ns` mean nothing
};

// The state after `operation`; nullopt if its result cannot come of `state`.
std::optional<uint64_t> step(uint64_t state, const Operation& operation);

// The search of Wing and Gong, with Lowe's memory of what was tried; time and memory grow with how
// many operations overlap, not with their number.
bool linearizable(const std::vector<Operation>& history, uint64_t initial = 0);

// A linearizable history as `clients` clients might record it, of one object of the kind that
// `kinds` make sense for.
std::vector<Operation> simulate(const std::vector<Kind>& kinds, int clients, int length,
                                std::mt19937_64& random);

}  // namespace respcask::linear
