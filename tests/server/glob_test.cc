#include "server/glob.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace respcask::server {
namespace {

using namespace std::string_view_literals;

TEST_CASE("glob: literals, ? and *") {
  CHECK(glob_match("", ""));
  CHECK(!glob_match("", "a"));
  CHECK(!glob_match("a", ""));
  CHECK(glob_match("abc", "abc"));
  CHECK(!glob_match("abc", "abcd"));
  CHECK(!glob_match("abcd", "abc"));
  CHECK(glob_match("a?c", "axc"));
  CHECK(!glob_match("a?c", "ac"));
  CHECK(glob_match("*", "a"));
  CHECK(glob_match("**", "anything"));
  CHECK(glob_match("a*c*e", "abcde"));
  CHECK(glob_match("a*bc", "abcbc"));
  CHECK(!glob_match("a*bc", "abcb"));
  CHECK(glob_match("*a", "aaa"));
  CHECK(glob_match("a\0*"sv, "a\0b"sv));
}

TEST_CASE("glob: classes") {
  CHECK(glob_match("h[ae]llo", "hallo"));
  CHECK(!glob_match("h[ae]llo", "hillo"));
  CHECK(glob_match("h[^e]llo", "hallo"));
  CHECK(!glob_match("h[^e]llo", "hello"));
  CHECK(glob_match("[a-c]", "b"));
  CHECK(glob_match("[c-a]", "b"));
  CHECK(!glob_match("[a-c]", "d"));
  CHECK(glob_match("[\\]]", "]"));
  CHECK(glob_match("[a\\-z]", "-"));
  CHECK(!glob_match("[a\\-z]", "b"));
  CHECK(glob_match("*[0-9]", "key7"));
  CHECK(!glob_match("[]", "a"));
  // A class that is not closed ends with the pattern.
  CHECK(glob_match("[abc", "b"));
  CHECK(!glob_match("[abc", "d"));
}

TEST_CASE("glob: ranges go by signed bytes, as in Redis") {
  CHECK(glob_match("[\x80-\xff]", "\xc0"));
  CHECK(glob_match("[a-\xff]", "-"));
  CHECK(glob_match("[a-\xff]", "a"));
  CHECK(!glob_match("[a-\xff]", "b"));
  CHECK(!glob_match("[a-\xff]", "\xc0"));
}

TEST_CASE("glob: no pattern with a star matches nothing, as in Redis") {
  CHECK(!glob_match("*", ""));
  CHECK(!glob_match("**", ""));
  CHECK(glob_match("a**", "a"));
  CHECK(glob_match("**", "a"));
}

TEST_CASE("glob: escapes") {
  CHECK(glob_match("a\\*c", "a*c"));
  CHECK(!glob_match("a\\*c", "abc"));
  CHECK(glob_match("\\?", "?"));
  CHECK(glob_match("a\\", "a\\"));
}

TEST_CASE("glob: case") {
  CHECK(!glob_match("ABC", "abc"));
  CHECK(glob_match("ABC", "abc", true));
  CHECK(glob_match("a[B-D]*", "ACx", true));
  CHECK(glob_match("[X]", "x", true));
}

TEST_CASE("glob: a hostile pattern takes no exponential time") {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "a*";
  pattern += "b";
  const auto start = std::chrono::steady_clock::now();
  CHECK(!glob_match(pattern, std::string(5000, 'a')));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

}  // namespace
}  // namespace respcask::server
