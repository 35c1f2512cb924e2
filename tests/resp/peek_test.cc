#include "resp/peek.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

using respcask::resp::peek;
using respcask::resp::Peeked;
using respcask::resp::PeekedArguments;

namespace {

constexpr std::string_view kGet = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
constexpr std::string_view kSet = "*3\r\n$3\r\nSET\r\n$2\r\nk2\r\n$5\r\nvalue\r\n";
constexpr std::string_view kZadd =
    "*6\r\n$4\r\nZADD\r\n$1\r\nz\r\n$1\r\n1\r\n$2\r\nm1\r\n$1\r\n2\r\n$2\r\nm2\r\n";
constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (std::string_view part : parts) all += part;
  return all;
}

}  // namespace

TEST_CASE("peek finds the first arguments of each waiting request") {
  const std::string unread = joined({kGet, kPing, kSet, kZadd});
  std::array<PeekedArguments, 8> found;
  found.fill({"of", "another", "look"});
  const Peeked peeked = peek(unread, found);
  REQUIRE(peeked.requests == 4);
  CHECK(peeked.bytes == unread.size());
  CHECK(found[0] == PeekedArguments{"key", "", ""});
  CHECK(found[1] == PeekedArguments{"", "", ""});
  CHECK(found[2] == PeekedArguments{"k2", "value", ""});
  CHECK(found[3] == PeekedArguments{"z", "1", "m1"});
}

TEST_CASE("peek stops where there is no more room") {
  const std::string unread = joined({kGet, kSet, kGet});
  std::array<PeekedArguments, 2> found;
  const Peeked peeked = peek(unread, found);
  CHECK(peeked.requests == 2);
  CHECK(peeked.bytes == kGet.size() + kSet.size());
  CHECK(peek(unread, {}).requests == 0);
}

TEST_CASE("peek stops at a request that is cut short at any byte") {
  const std::string unread = joined({kGet, kSet});
  for (size_t size = 0; size < unread.size(); ++size) {
    std::array<PeekedArguments, 8> found;
    // In a buffer of its own, so that a read past its end is noticed.
    const std::string part = unread.substr(0, size);
    const Peeked peeked = peek(part, found);
    CHECK(peeked.requests == (size >= kGet.size() ? 1 : 0));
    CHECK(peeked.bytes == (size >= kGet.size() ? kGet.size() : 0));
  }
}

TEST_CASE("peek leaves what is not plain to the parser") {
  for (std::string_view odd :
       {"GET key\r\n", "*02\r\n$3\r\nGET\r\n$1\r\nk\r\n", "*0\r\n", "*-1\r\n",
        "*2\r\n$+3\r\nGET\r\n$1\r\nk\r\n", "*2\r\n:3\r\n$1\r\nk\r\n", "\r\n",
        "*2\r\n$3\r\nGET\r\n$9999999999\r\nk\r\n", "*1000\r\n$3\r\nDEL\r\n"}) {
    const std::string unread = joined({kGet, odd, kGet});
    std::array<PeekedArguments, 8> found;
    const Peeked peeked = peek(unread, found);
    CHECK(peeked.requests == 1);
    CHECK(peeked.bytes == kGet.size());
  }
}
