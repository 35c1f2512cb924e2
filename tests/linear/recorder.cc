#include "tests/linear/recorder.h"

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "tests/e2e/redis_client.h"

namespace respcask::linear {
namespace {

using e2e::RedisClient;
using e2e::Reply;
using e2e::Words;

constexpr int kKeysOfGroup = 3;
constexpr uint64_t kMembers = 40;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What is written for a value, and what was read: the number, and bytes that follow from it.
std::string text_of(uint64_t value) {
  return std::to_string(value) + " " + std::string(value * 37 % 300, 'v');
}
uint64_t value_of(const Reply& reply) {
  if (reply.kind == Reply::Kind::kInteger) return static_cast<uint64_t>(reply.integer);
  return reply.is_nil() ? 0 : std::stoull(reply.text);
}

// A command of an operation on an object; several are a transaction.
std::vector<Words> commands(const Object& object, const Operation& operation, bool transaction) {
  const std::string& key = object.key();
  const std::string number = std::to_string(operation.argument);
  const std::string text = text_of(operation.argument);
  switch (object.shape()) {
    case Shape::kString:
      if (operation.kind == Kind::kRead) return {{"GET", key}};
      if (operation.kind == Kind::kWriteIfAbsent) return {{"SETNX", key, text}};
      if (operation.kind == Kind::kExchange) return {{"GETSET", key, text}};
      if (operation.kind == Kind::kDelete) return {{"DEL", key}};
      return {{"SET", key, text}};
    case Shape::kField:
      if (operation.kind == Kind::kRead) return {{"HGET", key, "field"}};
      if (operation.kind == Kind::kWriteIfAbsent) return {{"HSETNX", key, "field", text}};
      if (operation.kind == Kind::kDelete) return {{"HDEL", key, "field"}};
      return {{"HSET", key, "field", text}};
    case Shape::kScore:
      if (operation.kind == Kind::kRead) return {{"ZSCORE", key, "member"}};
      if (operation.kind == Kind::kDelete) return {{"ZREM", key, "member"}};
      return {{"ZADD", key, number, "member"}};
    case Shape::kCounter:
      return {operation.kind == Kind::kRead ? Words{"GET", key} : Words{"INCRBY", key, number}};
    case Shape::kFieldCounter:
      if (operation.kind == Kind::kRead) return {{"HGET", key, "field"}};
      return {{"HINCRBY", key, "field", number}};
    case Shape::kScoreCounter:
      if (operation.kind == Kind::kRead) return {{"ZSCORE", key, "member"}};
      return {{"ZINCRBY", key, number, "member"}};
    case Shape::kMembers:
      if (operation.kind == Kind::kInsert) return {{"SADD", key, number}};
      if (operation.kind == Kind::kErase) return {{"SREM", key, number}};
      if (operation.kind == Kind::kContains) return {{"SISMEMBER", key, number}};
      return {{"SCARD", key}};
    case Shape::kGroup:
      break;
  }
  std::vector<Words> parts;
  Words all{operation.kind == Kind::kRead ? "MGET" : "MSET"};
  for (const std::string& part : object.keys()) {
    all.push_back(part);
    if (operation.kind != Kind::kRead) all.push_back(text);
    parts.push_back(operation.kind == Kind::kRead ? Words{"GET", part} : Words{"SET", part, text});
  }
  return transaction ? parts : std::vector<Words>{all};
}

bool is_counter(Shape shape) {
  return shape == Shape::kCounter || shape == Shape::kFieldCounter || shape == Shape::kScoreCounter;
}

}  // namespace

std::vector<std::string> Object::keys() const {
  std::vector<std::string> keys;
  for (int i = 0; i < kKeysOfGroup; ++i) keys.push_back(key_ + ":" + std::to_string(i));
  return keys;
}

std::vector<Kind> Object::kinds() const {
  switch (shape_) {
    case Shape::kString:
      return {Kind::kRead,     Kind::kRead,   Kind::kWrite,        Kind::kWriteIfAbsent,
              Kind::kExchange, Kind::kDelete, Kind::kCompareAndSet};
    case Shape::kField:
      return {Kind::kRead, Kind::kRead, Kind::kWrite, Kind::kWriteIfAbsent, Kind::kDelete};
    case Shape::kScore:
      return {Kind::kRead, Kind::kRead, Kind::kWrite, Kind::kDelete};
    case Shape::kMembers:
      return {Kind::kInsert, Kind::kErase, Kind::kContains, Kind::kCount};
    case Shape::kGroup:
      return {Kind::kRead, Kind::kWrite};
    default:
      return {Kind::kRead, Kind::kAdd};
  }
}

void Object::record(const Operation& operation) {
  const std::lock_guard lock(mutex_);
  history_.push_back(operation);
}

std::vector<Operation> Object::history() const {
  const std::lock_guard lock(mutex_);
  return history_;
}

Recorder::Recorder(int port, uint64_t seed, std::vector<Object*> objects,
                   std::atomic<uint64_t>* values)
    : port_(port), random_(seed), objects_(std::move(objects)), values_(values) {}

void Recorder::run(const std::atomic<bool>& stop) {
  while (!stop && fault_.empty()) {
    RedisClient client(port_);
    while (!stop && client.connected() && perform(client, *objects_[random_() % objects_.size()])) {
    }
    if (!client.connected()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Whether the connection is still of use.
bool Recorder::perform(RedisClient& client, Object& object) {
  const std::vector<Kind> kinds = object.kinds();
  Operation operation;
  operation.kind = kinds[random_() % kinds.size()];
  if (operation.kind == Kind::kCompareAndSet) return compare_and_set(client, object);
  if (object.shape() == Shape::kMembers) {
    operation.argument = random_() % kMembers;
  } else {
    operation.argument = is_counter(object.shape()) ? 1 + random_() % 5 : ++*values_;
  }

  const std::vector<Words> words = commands(object, operation, random_() % 2 == 0);
  const bool transaction = words.size() > 1;
  if (transaction) client.queue({"MULTI"});
  for (const Words& command : words) client.queue(command);
  if (transaction) client.queue({"EXEC"});
  operation.begin_ns = now_ns();
  operation.maybe = true;
  const bool hang_up = random_() % 300 == 0;
  std::optional<Reply> reply;
  if (client.flush() && !hang_up) {
    for (size_t i = transaction ? words.size() + 2 : 1; i > 0; --i) reply = client.read();
  }
  operation.end_ns = now_ns();
  ++operations_;
  if (!reply) {
    if (operation.kind != Kind::kRead) object.record(operation);
    return false;
  }
  if (const Reply* const error = reply->error()) {
    fault_ = object.key() + ": " + error->text;
    return false;
  }
  operation.maybe = false;
  if (object.shape() == Shape::kGroup && operation.kind == Kind::kRead) {
    for (const Reply& part : reply->elements) {
      if (part.text != reply->elements[0].text) fault_ = object.key() + " was seen half written";
    }
    operation.result = value_of(reply->elements[0]);
  } else if (operation.kind != Kind::kWrite) {
    operation.result = value_of(*reply);
  }
  if (operation.kind == Kind::kRead && operation.result != 0 && object.shape() == Shape::kString &&
      reply->text != text_of(operation.result)) {
    fault_ = object.key() + " holds what nobody wrote: " + reply->text;
  }
  object.record(operation);
  return fault_.empty();
}

// Reads under WATCH and writes if nobody else has since.
bool Recorder::compare_and_set(RedisClient& client, Object& object) {
  Operation read;
  client.queue({"WATCH", object.key()});
  client.queue({"GET", object.key()});
  read.begin_ns = now_ns();
  client.read();
  const std::optional<Reply> old = client.read();
  read.end_ns = now_ns();
  if (!old) return false;
  read.result = value_of(*old);
  object.record(read);

  Operation write;
  write.kind = Kind::kCompareAndSet;
  write.expected = read.result;
  write.argument = ++*values_;
  client.queue({"MULTI"});
  client.queue({"SET", object.key(), text_of(write.argument)});
  client.queue({"EXEC"});
  write.begin_ns = now_ns();
  client.read();
  client.read();
  const std::optional<Reply> done = client.read();
  write.end_ns = now_ns();
  operations_ += 2;
  write.maybe = !done;
  // nil: somebody wrote in between, and this did nothing.
  if (!done || !done->is_nil()) object.record(write);
  return done.has_value();
}

}  // namespace respcask::linear
