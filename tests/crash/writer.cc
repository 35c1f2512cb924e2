#include "tests/crash/writer.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <vector>

namespace respcask::crash {
namespace {

using e2e::RedisClient;
using e2e::Reply;

// What the clocks of two processes may differ by, and some more.
constexpr int64_t kMarginMs = 50;
constexpr int64_t kSoonMs = 60000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

int64_t steady_time_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

const Value* find(const Keyspace& keys, const std::string& key) {
  const auto found = keys.find(key);
  return found == keys.end() ? nullptr : &found->second;
}

Words read_command(const std::string& key) {
  switch (type_of(key)) {
    case Type::kString:
      return {"GET", key};
    case Type::kHash:
      return {"HGETALL", key};
    case Type::kList:
      return {"LRANGE", key, "0", "-1"};
    case Type::kSet:
      return {"SMEMBERS", key};
    case Type::kSortedSet:
      return {"ZRANGE", key, "0", "-1", "WITHSCORES"};
  }
  return {};
}

Value value_of(Type type, const Reply& reply, int64_t expiry_ms) {
  Value value;
  value.expiry_ms = expiry_ms;
  value.text = reply.text;
  const std::vector<Reply>& elements = reply.elements;
  for (size_t i = 0; i < elements.size(); ++i) {
    const std::string& text = elements[i].text;
    if (type == Type::kList) value.items.push_back(text);
    if (type == Type::kSet) value.members.insert(text);
    if (i % 2 == 0) continue;
    if (type == Type::kHash) value.fields[elements[i - 1].text] = text;
    if (type == Type::kSortedSet) value.scores[elements[i - 1].text] = std::stoll(text);
  }
  return value;
}

// Finds, key by key, how many of the operations on it have happened. Each key begins with as many
// as what was observed allows; then an operation on several keys that has not happened on one has
// not happened on the others, which may take others with it, until all agree, or a key has no state
// left. Nothing is taken back: whatever explains the observation has no more of any key's
// operations than this.
class Explanation {
 public:
  Explanation(const Keyspace& known, const std::deque<Operation>& pending, const Observation& read)
      : pending_(pending) {
    Keyspace now = known;
    for (const std::string& key : Generator::all_keys()) {
      keys_.push_back({key, {{0, copy(now, key)}}, {}});
    }
    for (size_t i = 0; i < pending.size(); ++i) {
      pending[i].apply(now);
      for (Key& key : keys_) {
        if (pending[i].keys.contains(key.name)) key.states.push_back({i + 1, copy(now, key.name)});
      }
    }
    for (Key& key : keys_) {
      const Value* const observed = find(read.keys, key.name);
      for (size_t s = 0; s < key.states.size(); ++s) {
        if (may_show(key.states[s].get(), observed, read)) key.possible.push_back(s);
      }
      if (key.possible.empty()) fault_ += no_state(key, observed);
    }
  }

  std::string fault() {
    if (!fault_.empty()) return fault_;
    if (agree()) return "";
    std::string text = "no operation may be there in part, but one is, of these:\n";
    for (const Operation& operation : pending_) text += "  " + describe(operation) + "\n";
    return text;
  }

 private:
  // What a key holds after the first so many operations.
  struct State {
    size_t count;
    std::optional<Value> value;
    const Value* get() const { return value ? &*value : nullptr; }
  };
  struct Key {
    std::string name;
    std::vector<State> states;     // one more for each operation on it
    std::vector<size_t> possible;  // states that were observed
  };

  static std::optional<Value> copy(const Keyspace& keys, const std::string& key) {
    const Value* const value = find(keys, key);
    return value == nullptr ? std::nullopt : std::optional(*value);
  }

  std::string no_state(const Key& key, const Value* observed) const {
    std::string text = key.name + " is " + describe(observed) + "\nit was " +
                       describe(key.states.front().get()) + "\n";
    for (size_t s = 1; s < key.states.size(); ++s) {
      text += "pending " + describe(pending_[key.states[s].count - 1]) + "\n  makes it " +
              describe(key.states[s].get()) + "\n";
    }
    return text;
  }

  // A key that an operation changes: one that it leaves as it is says nothing about it.
  struct Change {
    Key* key;
    size_t state;  // that the operation leads to
  };

  bool agree() {
    std::map<size_t, std::vector<Change>> changes;  // of operations on several keys
    for (Key& key : keys_) {
      for (size_t s = 1; s < key.states.size(); ++s) {
        const size_t operation = key.states[s].count - 1;
        if (pending_[operation].keys.size() < 2) continue;
        if (key.states[s].value != key.states[s - 1].value) changes[operation].push_back({&key, s});
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      // The latest first: what it takes away often takes those before it along.
      for (auto it = changes.rbegin(); it != changes.rend(); ++it) {
        const auto has_happened = [](const Change& change) {
          return change.key->possible.back() >= change.state;
        };
        if (std::all_of(it->second.begin(), it->second.end(), has_happened)) continue;
        for (const Change& change : it->second) {
          while (has_happened(change)) {
            change.key->possible.pop_back();
            if (change.key->possible.empty()) return false;
            changed = true;
          }
        }
      }
    }
    return true;
  }

  const std::deque<Operation>& pending_;
  std::vector<Key> keys_;
  std::string fault_;
};

}  // namespace

int64_t unix_time_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool may_show(const Value* expected, const Value* observed, const Observation& read) {
  const bool expires = expected != nullptr && expected->expiry_ms != 0;
  if (expires && expected->expiry_ms <= read.end_ms && observed == nullptr) return true;
  if (expires && expected->expiry_ms < read.begin_ms - kMarginMs) return observed == nullptr;
  if (expected == nullptr || observed == nullptr) return expected == observed;
  return *expected == *observed;
}

std::string explain(const Keyspace& known, const std::deque<Operation>& pending,
                    const Observation& read) {
  return Explanation(known, pending, read).fault();
}

Writer::Writer(int id, uint64_t seed)
    : id_(id), random_(seed), generator_(seed ^ 0x9e3779b97f4a7c15) {}

void Writer::run(int port) {
  RedisClient client(port);
  if (!client.call({"SELECT", std::to_string(id_)})) return;
  while (send_some(client)) {
    while (!pending_.empty()) {
      if (!read_replies(client, pending_.front())) return;
      pending_.front().apply(known_);
      pending_.pop_front();
      if (keeps_journal_) journal_[acknowledged_].acknowledged_ns = steady_time_ns();
      ++acknowledged_;
    }
  }
}

// A pipeline, as its commands share a commit and a reply's write.
bool Writer::send_some(RedisClient& client) {
  forget_expired();
  const int64_t now_ms = unix_time_ms();
  const auto usable = [this](const std::string& key) { return !resting_.contains(key); };
  for (uint64_t left = 1 + random_() % 16; left > 0; --left) {
    pending_.push_back(generator_.next(now_ms, usable));
    const Operation& operation = pending_.back();
    if (keeps_journal_) journal_.push_back({operation, steady_time_ns(), kNever});
    operation.apply(newest_);
    for (const std::string& key : operation.keys) {
      const Value* const value = find(newest_, key);
      if (value == nullptr || value->expiry_ms == 0) continue;
      if (value->expiry_ms < now_ms + kSoonMs) resting_[key] = value->expiry_ms + kMarginMs;
    }
    const bool transaction = operation.commands.size() > 1;
    if (transaction) client.queue({"MULTI"});
    for (const Words& command : operation.commands) client.queue(command);
    if (transaction) client.queue({"EXEC"});
  }
  return client.flush();
}

// Whether it was acknowledged.
bool Writer::read_replies(RedisClient& client, const Operation& operation) {
  const size_t count = operation.commands.size() > 1 ? operation.commands.size() + 2 : 1;
  for (size_t i = 0; i < count; ++i) {
    const std::optional<Reply> reply = client.read();
    if (!reply) return false;
    const Reply* const error = reply->error();
    if (error != nullptr && error->text != "ERR no such key") {
      unexpected_ = error->text + " to " + describe(operation);
      return false;
    }
  }
  return true;
}

void Writer::forget_expired() {
  const int64_t now_ms = unix_time_ms();
  std::erase_if(resting_, [&](const auto& entry) {
    if (entry.second >= now_ms) return false;
    for (Keyspace* const keys : {&known_, &newest_}) {
      const Value* const value = find(*keys, entry.first);
      if (value != nullptr && value->expiry_ms != 0 && value->expiry_ms < now_ms) {
        keys->erase(entry.first);
      }
    }
    return true;
  });
}

std::string Writer::observe(int port, Observation* read) const {
  RedisClient client(port);
  client.queue({"SELECT", std::to_string(id_)});
  client.queue({"KEYS", "*"});
  const std::vector<std::string> keys = Generator::all_keys();
  for (const std::string& key : keys) {
    // Together, so that the key does not expire in between.
    for (const Words& command :
         {Words{"MULTI"}, {"PEXPIRETIME", key}, read_command(key), {"EXEC"}}) {
      client.queue(command);
    }
  }
  read->begin_ms = unix_time_ms();
  client.read();
  const std::optional<Reply> names = client.read();
  if (!names) return "the server went away while it was read";
  for (const std::string& key : keys) {
    for (int i = 0; i < 3; ++i) client.read();
    const std::optional<Reply> both = client.read();
    if (!both || both->elements.size() != 2) return key + " cannot be read";
    if (const Reply* const error = both->error()) return key + ": " + error->text;
    if (both->elements[0].integer == -2) continue;
    read->keys[key] =
        value_of(type_of(key), both->elements[1], std::max<int64_t>(both->elements[0].integer, 0));
  }
  read->end_ms = unix_time_ms();
  for (const Reply& name : names->elements) {
    if (std::find(keys.begin(), keys.end(), name.text) == keys.end()) {
      return "a key that nobody wrote: " + name.text;
    }
  }
  return "";
}

std::string Writer::check(int port) {
  if (!unexpected_.empty()) return "unexpected reply: " + unexpected_;
  Observation read;
  std::string fault = observe(port, &read);
  if (fault.empty()) fault = crash::explain(known_, pending_, read);
  if (!fault.empty()) return "database " + std::to_string(id_) + ": " + fault;
  pending_at_kills_ += pending_.size();
  pending_.clear();
  known_ = read.keys;
  newest_ = read.keys;
  return "";
}

std::string Writer::check_unchanged(int port) {
  Observation read;
  std::string fault = observe(port, &read);
  if (fault.empty()) fault = crash::explain(known_, {}, read);
  return fault.empty() ? "" : "database " + std::to_string(id_) + ", second start: " + fault;
}

void Writer::keep_journal() {
  keeps_journal_ = true;
  generator_.expire_late();
}

std::string Writer::check_at(int port, int64_t cut_ns, int64_t durable_ns) const {
  Observation read;
  std::string fault = observe(port, &read);
  Keyspace known;
  std::deque<Operation> pending;
  for (const Entry& entry : journal_) {
    if (entry.sent_ns > cut_ns) break;
    if (entry.acknowledged_ns <= durable_ns) {
      entry.operation.apply(known);
    } else {
      pending.push_back(entry.operation);
    }
  }
  if (fault.empty()) fault = crash::explain(known, pending, read);
  return fault.empty() ? "" : "database " + std::to_string(id_) + ": " + fault;
}

}  // namespace respcask::crash
