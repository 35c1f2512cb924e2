#include "server/fetch_queue.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace respcask::server {
namespace {

std::shared_ptr<Parked> wanting(const std::string& name, int values) {
  std::vector<std::unique_ptr<FetchedValue>> wanted;
  for (int i = 0; i < values; ++i) {
    wanted.push_back(std::make_unique<FetchedValue>());
    wanted.back()->key = name + std::to_string(i);
    wanted.back()->shard = static_cast<uint32_t>(i);
  }
  return std::make_shared<Parked>(std::move(wanted));
}

void push_all(FetchQueue& queue, const std::shared_ptr<Parked>& parked) {
  for (const auto& value : parked->values) queue.push({parked, value.get(), nullptr});
}

std::string pop_all(FetchQueue& queue) {
  std::string names;
  while (!queue.empty()) names += queue.pop().value->key + " ";
  return names;
}

TEST_CASE("fetch queue: commands take turns, whatever each of them wants") {
  const auto many = wanting("a", 5), one = wanting("b", 1), two = wanting("c", 2);
  FetchQueue queue;
  push_all(queue, many);
  CHECK(queue.pop().value->key == "a0");
  CHECK(queue.pop().value->key == "a1");
  push_all(queue, one);
  push_all(queue, two);
  CHECK(pop_all(queue) == "a2 b0 c0 a3 c1 a4 ");
  push_all(queue, two);
  queue.clear();
  CHECK(queue.empty());
}

}  // namespace
}  // namespace respcask::server
