// What a client hears of keyspace events: for tests of the commands that cause them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tests/server/harness.h"

namespace respcask::server::testing {

// Listens from when it is made; the harness must announce events (notify-keyspace-events KEA...).
class KeyspaceEvents {
 public:
  explicit KeyspaceEvents(Harness& harness) : harness_(harness) { listen(); }

  // Restarts the server, which wants all other clients gone, and listens again.
  void restart_server() {
    client_ = nullptr;
    harness_.restart();
    listen();
  }

  // What happened since the last call, as "0:del a, 1:copy_to b".
  std::string take() {
    std::string events;
    const std::string pushed = client_->pushed();
    constexpr std::string_view kChannel = "\r\n__keyevent@";
    for (size_t at = 0; (at = pushed.find(kChannel, at)) != std::string::npos;) {
      at += kChannel.size();
      if (pushed[at] == '*') continue;  // the pattern
      const size_t db_end = pushed.find("__:", at);
      const size_t event_end = pushed.find("\r\n", at);
      const size_t key = pushed.find("\r\n", event_end + 2) + 2;
      if (!events.empty()) events += ", ";
      events.append(pushed, at, db_end - at).append(":");
      events.append(pushed, db_end + 3, event_end - db_end - 3).append(" ");
      events.append(pushed, key, pushed.find("\r\n", key) - key);
    }
    return events;
  }

 private:
  void listen() {
    client_ = std::make_unique<Client>(harness_);
    client_->run("PSUBSCRIBE __keyevent@*");
  }

  Harness& harness_;
  std::unique_ptr<Client> client_;
};

}  // namespace respcask::server::testing
