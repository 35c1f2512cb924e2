#include "server/net/output_queue.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace respcask::server {
namespace {

std::string released(OutputQueue& queue, engine::SyncPoint reached, size_t limit = 100) {
  std::string bytes;
  queue.each_released([reached](engine::SyncPoint point) { return point <= reached; }, limit,
                      [&](const char* data, size_t size) { bytes.append(data, size); });
  return bytes;
}

TEST_CASE("output queue: what waits for a sync holds back what is behind it") {
  OutputQueue queue;
  queue.add(0, "a");
  queue.add(5, "b");
  queue.add(0, "c");
  queue.add(7, "d");
  CHECK(released(queue, 0) == "a");
  CHECK(released(queue, 4) == "a");
  CHECK(released(queue, 5) == "abc");
  CHECK(released(queue, 7) == "abcd");
  CHECK(queue.bytes() == 4);
}

TEST_CASE(
    "output queue: many small parts take little memory, each with a sync of its own to wait for") {
  OutputQueue queue;
  std::string all;
  for (int i = 1; i <= 20'000; ++i) {
    queue.add(static_cast<engine::SyncPoint>(i), "+OK\r\n");
    all += "+OK\r\n";
  }
  CHECK(queue.memory_bytes() < 10 * queue.bytes());
  CHECK(released(queue, 0) == "");
  CHECK(released(queue, 7'001) == all.substr(0, 7'001 * 5));
  queue.remove(30'003);
  CHECK(released(queue, 7'001) == all.substr(30'003, 7'001 * 5 - 30'003));
  CHECK(released(queue, 20'000) == all.substr(30'003));
  CHECK(queue.memory_bytes() < 2 * queue.bytes());
}

TEST_CASE("output queue: a write may take any part of it") {
  OutputQueue queue;
  queue.add(0, "hello ");
  queue.add(0, "wide ");
  queue.add(0, "world");
  std::string rest = "hello wide world";
  for (const size_t count : {2, 4, 1, 6, 3}) {
    queue.remove(count);
    rest.erase(0, count);
    CHECK(released(queue, 0) == rest);
    CHECK(queue.bytes() == rest.size());
  }
  CHECK(queue.empty());
}

// A part whose text is "<>" with `bytes` lent to it in between.
void add_lent(OutputQueue& queue, engine::SyncPoint point,
              const std::shared_ptr<std::string>& bytes) {
  resp::LentBytes lent;
  lent.add(1, *bytes, bytes);
  queue.add(point, "<>", std::move(lent));
}

TEST_CASE("output queue: what is lent leaves in its place, and what has not is copied in time") {
  const auto first = std::make_shared<std::string>("first");
  const auto second = std::make_shared<std::string>("second");
  const std::string all = "<first>between<second>after";
  for (size_t gone = 0; gone <= all.size(); ++gone) {
    CAPTURE(gone);
    OutputQueue queue;
    add_lent(queue, 0, first);
    queue.add(0, "between");
    add_lent(queue, 3, second);
    queue.add(3, "after");
    CHECK(queue.bytes() == all.size());
    CHECK(released(queue, 0) == "<first>between");
    CHECK(released(queue, 3) == all);
    CHECK(released(queue, 3, 2) == "<first");

    queue.remove(gone);
    CHECK(released(queue, 3) == all.substr(gone));
    CHECK(queue.bytes() == all.size() - gone);
    queue.own();
    CHECK(first.use_count() == 1);
    CHECK(second.use_count() == 1);
    CHECK(released(queue, 3) == all.substr(gone));
    CHECK(queue.bytes() == all.size() - gone);
    for (size_t left = all.size() - gone; left > 0; --left) queue.remove(1);
    CHECK(queue.empty());
    CHECK(queue.memory_bytes() == 0);
  }
}

TEST_CASE("output queue: what is lent is no memory of the client's until it is copied") {
  OutputQueue queue;
  add_lent(queue, 0, std::make_shared<std::string>(100'000, 'x'));
  CHECK(queue.memory_bytes() < 1'000);
  queue.own();
  CHECK(queue.memory_bytes() > 100'000);
  add_lent(queue, 0, std::make_shared<std::string>(100'000, 'y'));
  queue.clear();
  CHECK(queue.memory_bytes() == 0);
  CHECK(queue.bytes() == 0);
}

TEST_CASE("output queue: a part counts whole until all of it has left") {
  OutputQueue queue;
  CHECK(queue.memory_bytes() == 0);
  queue.add(0, std::string(50'000, 'x'));
  queue.add(0, std::string(10'000, 'y'));
  CHECK(queue.parts() == 2);
  CHECK(released(queue, 0, 1) == std::string(50'000, 'x'));
  CHECK(queue.memory_bytes() >= 60'000);
  CHECK(queue.memory_bytes() < 60'300);
  queue.remove(49'999);
  CHECK(queue.memory_bytes() >= 60'000);
  queue.remove(1);
  CHECK(queue.parts() == 1);
  CHECK(queue.memory_bytes() < 10'200);
  queue.remove(10'000);
  CHECK(queue.memory_bytes() == 0);
  queue.add(0, "z");
  queue.clear();
  CHECK(queue.memory_bytes() == 0);
}

TEST_CASE("output queue: many small parts take little more memory than their bytes") {
  OutputQueue queue;
  std::string all;
  for (int i = 0; i < 10'000; ++i) {
    const std::string message = "message " + std::to_string(i);
    queue.add(0, message);
    all += message;
  }
  CHECK(queue.memory_bytes() < queue.bytes() + queue.bytes() / 50 + 16 * 1024);
  CHECK(released(queue, 0) == all);
  queue.add(5, "not synced");
  CHECK(released(queue, 0) == all);
  CHECK(released(queue, 5) == all + "not synced");
}

TEST_CASE("output queue: little that lies in a long string does not hold all of it") {
  OutputQueue queue;
  std::string kept;
  kept.reserve(200'000);
  kept = "a";
  queue.add(0, std::move(kept));
  CHECK(queue.memory_bytes() < 20'000);
  CHECK(released(queue, 0) == "a");
}

TEST_CASE("output queue: queued bytes stay where they are") {
  OutputQueue queue;
  std::vector<const char*> places;
  for (int i = 0; i < 100; ++i) queue.add(0, std::string(1, 'x'));
  const auto visit = [&](const char* data, size_t) { places.push_back(data); };
  const auto synced = [](engine::SyncPoint) { return true; };
  queue.each_released(synced, 16, visit);
  for (int i = 0; i < 100; ++i) queue.add(0, std::string(1, 'y'));
  const std::vector<const char*> before = std::exchange(places, {});
  queue.each_released(synced, 16, visit);
  CHECK(places == before);
}

}  // namespace
}  // namespace respcask::server
