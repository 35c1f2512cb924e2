#include "tests/e2e/redis_client.h"

#include <sys/time.h>

namespace respcask::e2e {
namespace {

Reply converted(const redisReply& from) {
  Reply reply;
  switch (from.type) {
    case REDIS_REPLY_ERROR:
      reply.kind = Reply::Kind::kError;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::kStatus;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_STRING:
      reply.kind = Reply::Kind::kString;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::kInteger;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::kArray;
      for (size_t i = 0; i < from.elements; ++i)
        reply.elements.push_back(converted(*from.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

}  // namespace

const Reply* Reply::error() const {
  if (is_error()) return this;
  for (const Reply& element : elements) {
    if (const Reply* const found = element.error()) return found;
  }
  return nullptr;
}

RedisClient::RedisClient(int port) : context_(redisConnect("127.0.0.1", port)) {
  if (context_ && context_->err != 0) context_.reset();
  if (context_) redisSetTimeout(context_.get(), timeval{kTimeoutMs / 1000, 0});
}

void RedisClient::queue(const Words& words) {
  if (!context_) return;
  std::vector<const char*> bytes;
  std::vector<size_t> sizes;
  for (const std::string& word : words) {
    bytes.push_back(word.data());
    sizes.push_back(word.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), bytes.data(),
                         sizes.data());
}

bool RedisClient::flush() {
  int done = 0;
  while (context_ && done == 0) {
    if (redisBufferWrite(context_.get(), &done) != REDIS_OK) context_.reset();
  }
  return connected();
}

std::optional<Reply> RedisClient::read() {
  void* answer = nullptr;
  if (!context_ || redisGetReply(context_.get(), &answer) != REDIS_OK || answer == nullptr) {
    context_.reset();
    return std::nullopt;
  }
  const std::unique_ptr<void, decltype(&freeReplyObject)> owned(answer, freeReplyObject);
  return converted(*static_cast<const redisReply*>(answer));
}

std::optional<std::string> RedisClient::info_field(const std::string& section,
                                                   const std::string& name) {
  const auto reply = call({"INFO", section});
  if (!reply) return std::nullopt;
  const size_t at = reply->text.find("\r\n" + name + ":");
  if (at == std::string::npos) return std::nullopt;
  const size_t from = at + name.size() + 3;
  return reply->text.substr(from, reply->text.find("\r\n", from) - from);
}

}  // namespace respcask::e2e
