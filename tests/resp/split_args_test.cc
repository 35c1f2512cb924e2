#include "resp/split_args.h"

#include <doctest/doctest.h>

namespace respcask::resp {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("words are split at white space") {
  CHECK(split_args("") == Words{});
  CHECK(split_args(" \t\r\n\v\f") == Words{});
  CHECK(split_args("a") == Words{"a"});
  CHECK(split_args("  set\tkey\r\nvalue \n") == Words{"set", "key", "value"});
  CHECK(split_args(std::string_view("a b\0c", 5)) == Words{"a", "b"});
}

TEST_CASE("vertical tab and form feed separate only in front of a word or behind a quote") {
  CHECK(split_args("\va\vb\fc \fd") == Words{"a\vb\fc", "d"});
  CHECK(split_args("\"a\"\vb") == Words{"a", "b"});
}

TEST_CASE("double quotes know escapes") {
  CHECK(split_args(R"("a b" "")") == Words{"a b", ""});
  CHECK(split_args(R"("\n\r\t\b\a")") == Words{"\n\r\t\b\a"});
  CHECK(split_args(R"("\x41\xfF\x00\\\"\q")") == Words{std::string("A\xff\0\\\"q", 6)});
  CHECK(split_args(R"("\x4" "\xg1" "\x")") == Words{"x4", "xg1", "x"});
  CHECK(split_args(R"("it's")") == Words{"it's"});
}

TEST_CASE("single quotes know only the escaped quote") {
  CHECK(split_args(R"('a "b"' '\n' 'it\'s' '\\a')") == Words{"a \"b\"", "\\n", "it's", "\\\\a"});
}

TEST_CASE("a quoted part may end a word but not begin one") {
  CHECK(split_args(R"(key"a b" x'y z')") == Words{"keya b", "xy z"});
  CHECK(split_args(R"("a"b)") == std::nullopt);
  CHECK(split_args(R"('a'b)") == std::nullopt);
  CHECK(split_args(R"("a""b")") == std::nullopt);
}

TEST_CASE("a quote without its end is refused") {
  for (const std::string_view line :
       {R"(")", R"(')", R"(a ")", R"(a "b)", R"("b\")", R"("b\)", R"('b\')", R"('b\)", R"("\x4)"}) {
    CAPTURE(std::string(line));
    CHECK(split_args(line) == std::nullopt);
  }
  CHECK(split_args(std::string_view("\"a\0\"", 4)) == std::nullopt);
}

TEST_CASE("views of several quoted words stay valid together") {
  std::string line;
  Words expected;
  for (int i = 0; i < 1000; ++i) {
    line += "\"word " + std::to_string(i) + "\" ";
    expected.push_back("word " + std::to_string(i));
  }
  std::string storage;
  std::vector<std::string_view> words;
  REQUIRE(split_line(line, storage, words));
  CHECK(Words(words.begin(), words.end()) == expected);
}

}  // namespace
}  // namespace respcask::resp
