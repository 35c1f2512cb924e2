// RedisClient: hiredis for tests that care what replies mean and that lose their server.
//
// Commands are queued, sent together by the first read, and answered in order. When the server goes
// away or stays silent for kTimeoutMs, what is read is std::nullopt, then and ever after. It owns
// its connection. One thread.
#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace respcask::e2e {

using Words = std::vector<std::string>;

struct Reply {
  enum class Kind { kNil, kError, kStatus, kInteger, kString, kArray };

  Kind kind = Kind::kNil;
  int64_t integer = 0;
  std::string text;  // of a string, a status, or an error
  std::vector<Reply> elements;

  bool is_error() const { return kind == Kind::kError; }
  bool is_nil() const { return kind == Kind::kNil; }
  // This reply or one within it is an error; which, or nullptr.
  const Reply* error() const;
};

class RedisClient {
 public:
  static constexpr int kTimeoutMs = 60000;

  // Not connected if nobody listens: then every read is std::nullopt.
  explicit RedisClient(int port);

  bool connected() const { return context_ != nullptr; }
  // Not sent yet.
  void queue(const Words& words);
  // Sends what is queued; false if the other side is gone.
  bool flush();
  // The reply to the oldest command that has none.
  std::optional<Reply> read();

  std::optional<Reply> call(const Words& words) {
    queue(words);
    return read();
  }
  // A field of a section of INFO; nothing if it is not there.
  std::optional<std::string> info_field(const std::string& section, const std::string& name);

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace respcask::e2e
