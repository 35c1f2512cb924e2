#include "tests/linear/history.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <unordered_set>

namespace respcask::linear {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// What was linearized so far, and the state that it led to.
struct Configuration {
  std::vector<uint64_t> done;  // bits
  uint64_t state = 0;
  bool operator==(const Configuration&) const = default;
};

struct Hash {
  size_t operator()(const Configuration& configuration) const {
    uint64_t hash = configuration.state * 0x9e3779b97f4a7c15;
    for (const uint64_t word : configuration.done) {
      hash = (std::rotl(hash, 7) ^ word) * 0x9e3779b97f4a7c15;
    }
    return hash;
  }
};

// Begins and ends in the order of time, as a doubly linked list out of which operations are taken
// and into which they are put back. Entry 0 is its head.
class Timeline {
 public:
  struct Entry {
    size_t operation = 0;
    bool begin = false;
    size_t end = 0;  // entry of the end, of a begin
    size_t previous = 0;
    size_t next = 0;
  };

  explicit Timeline(const std::vector<Operation>& history) {
    struct Mark {
      int64_t time;
      bool end;
      size_t operation;
    };
    std::vector<Mark> marks;
    for (size_t i = 0; i < history.size(); ++i) {
      marks.push_back({history[i].begin_ns, false, i});
      marks.push_back({history[i].maybe ? kNever : history[i].end_ns, true, i});
    }
    // At the same time a begin comes first: then the two overlap, which allows more.
    std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) {
      return a.time != b.time ? a.time < b.time : a.end < b.end;
    });
    entries_.resize(marks.size() + 1);
    std::vector<size_t> begins(history.size());
    for (size_t i = 0; i < marks.size(); ++i) {
      const size_t at = i + 1;
      entries_[at] = {marks[i].operation, !marks[i].end, 0, at - 1,
                      at + 1 <= marks.size() ? at + 1 : 0};
      if (marks[i].end) {
        entries_[begins[marks[i].operation]].end = at;
      } else {
        begins[marks[i].operation] = at;
      }
    }
    if (!marks.empty()) {
      entries_[0].next = 1;
      entries_[0].previous = marks.size();
    }
  }

  size_t first() const { return entries_[0].next; }
  const Entry& at(size_t entry) const { return entries_[entry]; }
  void take(size_t begin) {
    unlink(begin);
    unlink(entries_[begin].end);
  }
  void put_back(size_t begin) {
    link(entries_[begin].end);
    link(begin);
  }

 private:
  void unlink(size_t entry) {
    entries_[entries_[entry].previous].next = entries_[entry].next;
    entries_[entries_[entry].next].previous = entries_[entry].previous;
  }
  void link(size_t entry) {
    entries_[entries_[entry].previous].next = entry;
    entries_[entries_[entry].next].previous = entry;
  }

  std::vector<Entry> entries_;
};

}  // namespace

std::optional<uint64_t> step(uint64_t state, const Operation& operation) {
  const uint64_t argument = operation.argument;
  const uint64_t bit = uint64_t{1} << (argument % 64);
  uint64_t result = operation.result;  // that of a write is nothing to compare
  uint64_t next = state;
  switch (operation.kind) {
    case Kind::kRead:
      result = state;
      break;
    case Kind::kWrite:
      next = argument;
      break;
    case Kind::kWriteIfAbsent:
      result = state == 0;
      if (state == 0) next = argument;
      break;
    case Kind::kExchange:
      result = state;
      next = argument;
      break;
    case Kind::kCompareAndSet:
      if (state == operation.expected) {
        next = argument;
      } else if (!operation.maybe) {
        return std::nullopt;
      }
      break;
    case Kind::kDelete:
      result = state != 0;
      next = 0;
      break;
    case Kind::kAdd:
      next = result = state + argument;
      break;
    case Kind::kInsert:
      result = (state & bit) == 0;
      next = state | bit;
      break;
    case Kind::kErase:
      result = (state & bit) != 0;
      next = state & ~bit;
      break;
    case Kind::kContains:
      result = (state & bit) != 0;
      break;
    case Kind::kCount:
      result = static_cast<uint64_t>(std::popcount(state));
      break;
  }
  if (!operation.maybe && result != operation.result) return std::nullopt;
  return next;
}

bool linearizable(const std::vector<Operation>& history, uint64_t initial) {
  Timeline timeline(history);
  struct Choice {
    size_t entry;
    uint64_t state;  // before it
  };
  std::vector<Choice> chosen;
  std::unordered_set<Configuration, Hash> tried;
  Configuration now{std::vector<uint64_t>((history.size() + 63) / 64), initial};
  const auto flip = [&](size_t operation) {
    now.done[operation / 64] ^= uint64_t{1} << (operation % 64);
  };

  size_t entry = timeline.first();
  while (entry != 0) {
    const auto& at = timeline.at(entry);
    const Operation& operation = history[at.operation];
    if (at.begin) {
      const uint64_t before = now.state;
      if (const auto next = step(before, operation)) {
        flip(at.operation);
        now.state = *next;
        if (tried.insert(now).second) {
          chosen.push_back({entry, before});
          timeline.take(entry);
          entry = timeline.first();
          continue;
        }
        flip(at.operation);
        now.state = before;
      }
      entry = at.next;
      continue;
    }
    // What is left has no reply, and need not have happened.
    if (operation.maybe) return true;
    // It ended before any of the others can come first: an earlier choice was wrong.
    if (chosen.empty()) return false;
    const Choice last = chosen.back();
    chosen.pop_back();
    flip(timeline.at(last.entry).operation);
    now.state = last.state;
    timeline.put_back(last.entry);
    entry = timeline.at(last.entry).next;
  }
  return true;
}

std::vector<Operation> simulate(const std::vector<Kind>& kinds, int clients, int length,
                                std::mt19937_64& random) {
  struct Running {
    Operation operation;
    bool begun = false;
    bool done = false;
  };
  std::vector<Operation> history;
  std::vector<Running> running(static_cast<size_t>(clients));
  uint64_t state = 0;
  uint64_t value = 0;
  // One event at a time: a client begins, its operation happens, or it ends.
  for (int64_t now_ns = 1; static_cast<int>(history.size()) < length; ++now_ns) {
    Running& client = running[random() % running.size()];
    Operation& operation = client.operation;
    if (!client.begun) {
      operation = {};
      operation.kind = kinds[random() % kinds.size()];
      operation.begin_ns = now_ns;
      const bool member = operation.kind >= Kind::kInsert;
      operation.argument = member ? random() % 8 : operation.kind == Kind::kAdd ? 1 : ++value;
      client.begun = true;
    } else if (!client.done) {
      operation.maybe = true;  // so that the result does not count
      const uint64_t before = state;
      state = *step(before, operation);
      operation.maybe = false;
      // The result is the one that the step accepts.
      if (operation.kind == Kind::kAdd) operation.result = state;
      if (operation.kind == Kind::kRead || operation.kind == Kind::kExchange)
        operation.result = before;
      for (const uint64_t result : {uint64_t{0}, uint64_t{1}}) {
        if (step(before, operation)) break;
        operation.result = result;
      }
      while (operation.kind == Kind::kCount && !step(before, operation)) ++operation.result;
      client.done = true;
    } else {
      operation.end_ns = now_ns;
      operation.maybe = random() % 20 == 0;
      history.push_back(operation);
      client = {};
    }
  }
  for (Running& client : running) {
    if (!client.begun) continue;
    client.operation.maybe = true;
    history.push_back(client.operation);
  }
  return history;
}

}  // namespace respcask::linear
