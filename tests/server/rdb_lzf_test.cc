#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <string>

#include "server/rdb/lzf.h"

namespace respcask::server::rdb {
namespace {

using namespace std::string_literals;

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// Text that repeats itself at distances and lengths of every size.
std::string random_text(std::mt19937_64& random) {
  std::string text;
  const size_t size = random() % 20000;
  const unsigned letters = 1 + random() % 256;
  while (text.size() < size) {
    if (!text.empty() && random() % 2 == 0) {
      const size_t from = random() % text.size();
      text += text.substr(from, random() % 600);
    } else {
      for (size_t n = random() % 50; n > 0; --n)
        text.push_back(static_cast<char>(random() % letters));
    }
  }
  return text;
}

TEST_CASE("lzf reads each kind of instruction") {
  CHECK((lzf_decompress("\x02"s
                        "abc"s,
                        3) == "abc"));
  // One literal, then 3 bytes from 1 back: the copy overlaps itself.
  CHECK((lzf_decompress("\x00"s
                        "a\x20"s
                        "\x00"s,
                        4) == "aaaa"));
  // The longest short copy, 8 bytes from 2 back.
  CHECK((lzf_decompress("\x01"s
                        "ab\xc0\x01"s,
                        10) == "ababababab"));
  // A long copy: 9 bytes and more.
  CHECK((lzf_decompress("\x00"s
                        "a\xe0\x00\x00"s,
                        10) == std::string(10, 'a')));
  CHECK((lzf_decompress("\x00"s
                        "a\xe0\xff\x00"s,
                        265) == std::string(265, 'a')));
}

TEST_CASE("lzf refuses what is damaged") {
  CHECK(!lzf_decompress("", 0));
  CHECK(
      !lzf_decompress("\x02"s
                      "ab"s,
                      3));  // literals are missing
  CHECK(
      !lzf_decompress("\x02"s
                      "abc"s,
                      2));  // more than claimed
  CHECK(
      !lzf_decompress("\x02"s
                      "abc"s,
                      4));  // less than claimed
  CHECK(
      !lzf_decompress("\x00"s
                      "a\x20"s,
                      4));  // no offset
  CHECK(
      !lzf_decompress("\x00"s
                      "a\xe0"s,
                      10));  // no length
  CHECK(
      !lzf_decompress("\x00"s
                      "a\xe0\x00"s,
                      10));  // no offset after the length
  CHECK(
      !lzf_decompress("\x00"s
                      "a\x20\x01"s,
                      4));  // before the start
  CHECK(
      !lzf_decompress("\x00"s
                      "a\xe0\xff\x00"s,
                      264));  // a copy beyond the claimed size
}

TEST_CASE("lzf does not believe a size that its input cannot make") {
  CHECK(
      !lzf_decompress("\x00"s
                      "a"s,
                      std::numeric_limits<uint64_t>::max()));
  CHECK(
      !lzf_decompress("\x00"s
                      "a"s,
                      uint64_t{1} << 40));
}

TEST_CASE("lzf gives back what it compressed, and makes the same bytes again") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(random);
    const auto compressed = lzf_compress(text, kNoLimit);
    if (text.empty()) {
      CHECK(!compressed);
      continue;
    }
    REQUIRE(compressed);
    CHECK((lzf_decompress(*compressed, text.size()) == text));
    // What the table still holds from other inputs has no say.
    CHECK((lzf_compress(text, kNoLimit) == compressed));
  }
}

// `count` copies of `length` bytes from `back` before, behind the bytes to copy from.
std::string copies(size_t back, size_t length, size_t count) {
  std::string input;
  for (size_t i = 0; i < back; ++i) input += {'\0', static_cast<char>(i * 31 + i / 256)};
  for (; count > 0; --count) {
    const bool is_short = length <= 8;
    input += static_cast<char>((is_short ? length - 2 : 7) << 5 | (back - 1) >> 8);
    if (!is_short) input += static_cast<char>(length - 9);
    input += static_cast<char>(back - 1);
  }
  return input;
}

TEST_CASE("lzf copies what a copy has just made, whatever the lengths") {
  for (size_t back = 1; back <= 300; ++back) {
    for (size_t length = 3; length <= 264; ++length) {
      std::string expected;
      for (size_t i = 0; i < back; ++i) expected += static_cast<char>(i * 31 + i / 256);
      for (size_t i = 0; i < 2 * length; ++i) expected += expected[expected.size() - back];
      if (lzf_decompress(copies(back, length, 2), expected.size()) == expected) continue;
      CAPTURE(back);
      CAPTURE(length);
      FAIL_CHECK("a copy that is wrong");
    }
  }
}

TEST_CASE("lzf does not copy byte by byte where a copy runs into itself") {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kCount = 1000;
  const auto shortest = [](size_t back) {
    const std::string input = copies(back, 264, kCount);
    auto time = Clock::duration::max();
    for (int i = 0; i < 50; ++i) {
      const auto begin = Clock::now();
      REQUIRE(lzf_decompress(input, back + 264 * kCount));
      time = std::min(time, Clock::now() - begin);
    }
    return std::chrono::duration<double>(time).count();
  };
  CHECK(shortest(8) < 6 * shortest(264));
}

TEST_CASE("lzf output never exceeds the size it was allowed") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 100; ++round) {
    const std::string text = random_text(random).substr(0, 300);
    for (size_t max_size = 0; max_size <= text.size() + 10; ++max_size) {
      const auto compressed = lzf_compress(text, max_size);
      if (!compressed) continue;
      CHECK(compressed->size() <= max_size);
      CHECK((lzf_decompress(*compressed, text.size()) == text));
    }
  }
}

// Lengths and outcomes as redis-server 7.0.15 wrote them.
TEST_CASE("lzf ends a repetition where Redis ends it") {
  CHECK(lzf_compress("abcabcabcabcabcabcabcabc", 20) ==
        "\x03"s
        "abca\xe0\x0a\x02\x00"s
        "c"s);
}

}  // namespace
}  // namespace respcask::server::rdb
