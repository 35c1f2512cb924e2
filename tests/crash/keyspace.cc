#include "tests/crash/keyspace.h"

#include <algorithm>
#include <utility>

namespace respcask::crash {
namespace {

bool has_no_elements(Type type, const Value& value) {
  switch (type) {
    case Type::kString:
      return false;  // an empty string is a value
    case Type::kHash:
      return value.fields.empty();
    case Type::kList:
      return value.items.empty();
    case Type::kSet:
      return value.members.empty();
    case Type::kSortedSet:
      return value.scores.empty();
  }
  return false;
}

// An operation of one command that edits one key, which exists afterwards unless it is empty.
Operation edit(Words command, const std::string& key, std::function<void(Value&)> change) {
  return {{std::move(command)}, {key}, [key, change = std::move(change)](Keyspace& keys) {
            Value value = keys.contains(key) ? keys[key] : Value{};
            change(value);
            if (has_no_elements(type_of(key), value)) {
              keys.erase(key);
            } else {
              keys[key] = std::move(value);
            }
          }};
}

// The same where a key that is absent stays so.
Operation edit_existing(Words command, const std::string& key, std::function<void(Value&)> change) {
  Operation operation = edit(std::move(command), key, std::move(change));
  operation.apply = [key, apply = std::move(operation.apply)](Keyspace& keys) {
    if (keys.contains(key)) apply(keys);
  };
  return operation;
}

}  // namespace

std::string key_name(Type type, int number) {
  return "shlez"[static_cast<int>(type)] + std::string(":") + std::to_string(number);
}

Type type_of(const std::string& key) {
  return kTypes[std::string_view("shlez").find(key[0])];
}

std::vector<std::string> Generator::all_keys() {
  std::vector<std::string> keys;
  for (const Type type : kTypes) {
    for (int i = 0; i < kKeysOfType; ++i) keys.push_back(key_name(type, i));
  }
  return keys;
}

Operation Generator::next(int64_t now_ms, const std::function<bool(const std::string&)>& usable) {
  now_ms_ = now_ms;
  usable_ = usable;
  may_expire_ = !expires_late_;
  if (below(500) == 0) {
    const std::vector<std::string> all = all_keys();
    return {{{"FLUSHDB"}}, {all.begin(), all.end()}, [](Keyspace& keys) { keys.clear(); }};
  }
  if (below(8) != 0) return single();
  may_expire_ = false;
  return transaction();
}

std::string Generator::key(Type type) {
  // Some are always usable, as half of them are never made to expire soon.
  for (;;) {
    std::string name = key_name(type, static_cast<int>(below(kKeysOfType)));
    if (usable_(name)) return name;
  }
}

std::string Generator::word() {
  // Enough of them for collections on both sides of the size at which they are split.
  return "m" + std::to_string(below(60));
}

std::string Generator::bytes() {
  const uint64_t kind = below(40);
  const size_t size = kind == 0 ? 4000 + below(60000) : kind < 6 ? 200 + below(1500) : below(100);
  std::string value = std::to_string(random_()) + " ";
  // Not one byte all over, so that what lies at the wrong place shows.
  while (value.size() < size) value += std::to_string(value.size()) + ",";
  return value;
}

Operation Generator::single() {
  if (below(10) == 0) return on_two();
  const std::string name = key(kTypes[below(std::size(kTypes))]);
  if (below(8) == 0) return on_any(name);
  switch (type_of(name)) {
    case Type::kString:
      return on_string(name);
    case Type::kHash:
      return on_hash(name);
    case Type::kList:
      return on_list(name);
    case Type::kSet:
      return on_set(name);
    case Type::kSortedSet:
      return on_sorted_set(name);
  }
  return {};
}

Operation Generator::on_string(const std::string& key) {
  const std::string value = bytes();
  switch (below(4)) {
    case 0:
      return edit({"APPEND", key, value.substr(0, 200)}, key,
                  [part = value.substr(0, 200)](Value& v) { v.text += part; });
    case 1: {
      const size_t offset = below(6000);
      return edit({"SETRANGE", key, std::to_string(offset), value.substr(0, 50)}, key,
                  [offset, part = value.substr(0, 50)](Value& v) {
                    if (v.text.size() < offset + part.size()) v.text.resize(offset + part.size());
                    v.text.replace(offset, part.size(), part);
                  });
    }
    case 2:
      return edit({"SET", key, value, "KEEPTTL"}, key, [value](Value& v) { v.text = value; });
    default:
      return edit({"SET", key, value}, key, [value](Value& v) {
        v.text = value;
        v.expiry_ms = 0;
      });
  }
}

Operation Generator::on_hash(const std::string& key) {
  const std::string first = word();
  const std::string second = word();
  const std::string value = bytes();
  if (below(3) == 0) {
    return edit({"HDEL", key, first, second}, key, [first, second](Value& v) {
      v.fields.erase(first);
      v.fields.erase(second);
    });
  }
  return edit({"HSET", key, first, value, second, "2"}, key, [first, second, value](Value& v) {
    v.fields[first] = value;
    v.fields[second] = "2";
  });
}

Operation Generator::on_list(const std::string& key) {
  const std::string value = bytes();
  switch (below(6)) {
    case 0:
      return edit({"LPUSH", key, value, "1"}, key, [value](Value& v) {
        v.items.push_front(value);
        v.items.emplace_front("1");
      });
    case 1:
    case 2:
      return edit({"RPUSH", key, value, "2"}, key, [value](Value& v) {
        v.items.push_back(value);
        v.items.emplace_back("2");
      });
    case 3:
      return edit({"LPOP", key}, key, [](Value& v) {
        if (!v.items.empty()) v.items.pop_front();
      });
    case 4:
      return edit({"RPOP", key, "2"}, key, [](Value& v) {
        for (int i = 0; i < 2 && !v.items.empty(); ++i) v.items.pop_back();
      });
    default:
      return edit({"LTRIM", key, "1", "40"}, key, [](Value& v) {
        if (!v.items.empty()) v.items.pop_front();
        if (v.items.size() > 40) v.items.resize(40);
      });
  }
}

Operation Generator::on_set(const std::string& key) {
  const std::string first = word();
  const std::string second = word() + std::string(below(60), 'x');
  if (below(3) == 0) {
    return edit({"SREM", key, first}, key, [first](Value& v) { v.members.erase(first); });
  }
  return edit({"SADD", key, first, second}, key, [first, second](Value& v) {
    v.members.insert({first, second});
  });
}

Operation Generator::on_sorted_set(const std::string& key) {
  const std::string member = word();
  const std::string other = word() + std::string(below(60), 'x');
  const auto score = static_cast<int64_t>(below(1000));
  switch (below(5)) {
    case 0:
      return edit({"ZREM", key, member}, key, [member](Value& v) { v.scores.erase(member); });
    case 1:
      return edit({"ZINCRBY", key, std::to_string(score), member}, key,
                  [member, score](Value& v) { v.scores[member] += score; });
    case 2:
      return edit({"ZREMRANGEBYSCORE", key, std::to_string(score), std::to_string(score + 20)}, key,
                  [score](Value& v) {
                    std::erase_if(v.scores, [score](const auto& entry) {
                      return entry.second >= score && entry.second <= score + 20;
                    });
                  });
    default:
      return edit({"ZADD", key, std::to_string(score), member, "7", other}, key,
                  [member, other, score](Value& v) {
                    v.scores[member] = score;
                    v.scores[other] = 7;
                  });
  }
}

Operation Generator::on_any(const std::string& key) {
  switch (below(6)) {
    case 0:
    case 1: {
      const bool soon = may_expire_ && key.back() - '0' < kKeysOfType / 2;
      const int64_t expiry_ms =
          now_ms_ + static_cast<int64_t>(soon ? 20 + below(400) : 3600000 + below(1000));
      return edit_existing({"PEXPIREAT", key, std::to_string(expiry_ms)}, key,
                           [expiry_ms](Value& v) { v.expiry_ms = expiry_ms; });
    }
    case 2:
      return edit_existing({"PERSIST", key}, key, [](Value& v) { v.expiry_ms = 0; });
    case 3:
      return {{{"UNLINK", key}}, {key}, [key](Keyspace& keys) { keys.erase(key); }};
    default:
      return {{{"DEL", key}}, {key}, [key](Keyspace& keys) { keys.erase(key); }};
  }
}

Operation Generator::on_two() {
  const Type type = kTypes[below(std::size(kTypes))];
  const std::string from = key(type);
  const std::string to = key(type);
  if (from == to) return on_any(from);
  switch (below(5)) {
    case 0:
      return {{{"COPY", from, to, "REPLACE"}}, {to}, [from, to](Keyspace& keys) {
                if (keys.contains(from)) keys[to] = keys[from];
              }};
    case 1: {
      const std::string first = key(Type::kString);
      const std::string second = key(Type::kString);
      const std::string value = bytes();
      return {{{"MSET", first, value, second, value}},
              {first, second},
              [first, second, value](Keyspace& keys) {
                keys[first] = Value{.text = value};
                keys[second] = Value{.text = value};
              }};
    }
    case 2: {
      const std::string source = key(Type::kList);
      const std::string target = key(Type::kList);
      return {{{"LMOVE", source, target, "LEFT", "RIGHT"}},
              {source, target},
              [source, target](Keyspace& keys) {
                if (!keys.contains(source)) return;
                const std::string item = keys[source].items.front();
                keys[source].items.pop_front();
                keys[target].items.push_back(item);
                if (keys[source].items.empty()) keys.erase(source);
              }};
    }
    case 3: {
      const std::string first = key(Type::kSet);
      const std::string second = key(Type::kSet);
      const std::string target = key(Type::kSet);
      return {{{"SUNIONSTORE", target, first, second}},
              {target},
              [first, second, target](Keyspace& keys) {
                Value both;
                for (const std::string& source : {first, second}) {
                  if (keys.contains(source)) both.members.merge(std::set(keys[source].members));
                }
                keys.erase(target);
                if (!both.members.empty()) keys[target] = std::move(both);
              }};
    }
    default:
      // An error where `from` is absent, which changes nothing.
      return {{{"RENAME", from, to}}, {from, to}, [from, to](Keyspace& keys) {
                if (!keys.contains(from)) return;
                keys[to] = std::move(keys[from]);
                keys.erase(from);
              }};
  }
}

Operation Generator::transaction() {
  Operation all;
  std::vector<std::function<void(Keyspace&)>> parts;
  const uint64_t count = 2 + below(4);
  for (uint64_t i = 0; i < count; ++i) {
    Operation part = single();
    all.commands.insert(all.commands.end(), part.commands.begin(), part.commands.end());
    all.keys.merge(part.keys);
    parts.push_back(std::move(part.apply));
  }
  all.apply = [parts = std::move(parts)](Keyspace& keys) {
    for (const auto& apply : parts) apply(keys);
  };
  return all;
}

std::string describe(const Operation& operation) {
  std::string text;
  for (const Words& command : operation.commands) {
    if (!text.empty()) text += "; ";
    for (const std::string& word : command) text += word.substr(0, 40) + " ";
  }
  return text;
}

std::string describe(const Value* value) {
  if (value == nullptr) return "absent";
  std::string text = "text of " + std::to_string(value->text.size()) + " bytes '" +
                     value->text.substr(0, 40) + "', expiry " + std::to_string(value->expiry_ms);
  for (const auto& [field, content] : value->fields) {
    text += " " + field + "=" + content.substr(0, 12);
  }
  for (const std::string& item : value->items) text += " [" + item.substr(0, 12) + "]";
  for (const std::string& member : value->members) text += " " + member.substr(0, 12);
  for (const auto& [member, score] : value->scores) {
    text += " " + member.substr(0, 12) + "@" + std::to_string(score);
  }
  return text;
}

}  // namespace respcask::crash
