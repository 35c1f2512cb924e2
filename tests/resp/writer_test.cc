#include "resp/writer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace respcask::resp {
namespace {

std::string written(int protocol, const std::function<void(Writer&)>& write) {
  std::string out;
  Writer writer(out, protocol);
  write(writer);
  return out;
}

void check(const std::function<void(Writer&)>& write, const std::string& resp2,
           const std::string& resp3) {
  CHECK(written(2, write) == resp2);
  CHECK(written(3, write) == resp3);
}

void check(const std::function<void(Writer&)>& write, const std::string& both) {
  check(write, both, both);
}

TEST_CASE("what both protocols share is written alike") {
  check([](Writer& w) { w.ok(); }, "+OK\r\n");
  check([](Writer& w) { w.simple_string("PONG"); }, "+PONG\r\n");
  check([](Writer& w) { w.simple_string(""); }, "+\r\n");
  check([](Writer& w) { w.error("ERR no"); }, "-ERR no\r\n");
  check([](Writer& w) { w.bulk(""); }, "$0\r\n\r\n");
  check([](Writer& w) { w.bulk(std::string("a\r\n\0b", 5)); },
        std::string("$5\r\na\r\n\0b\r\n", 11));
  check([](Writer& w) { w.bulk_integer(INT64_MIN); }, "$20\r\n-9223372036854775808\r\n");
  check([](Writer& w) { w.array(2); }, "*2\r\n");
  check(
      [](Writer& w) {
        w.bulk_header(1000);
        w.raw("ab");
        w.raw("c");
        w.crlf();
      },
      "$1000\r\nabc\r\n");
}

TEST_CASE("integers and headers of every size") {
  for (const size_t n : {size_t{0}, size_t{9}, size_t{10}, size_t{99}, size_t{100}, size_t{511},
                         size_t{512}, size_t{1000}, size_t{4294967296}, size_t{INT64_MAX}}) {
    const std::string digits = std::to_string(n);
    check([=](Writer& w) { w.integer(static_cast<int64_t>(n)); }, ":" + digits + "\r\n");
    check([=](Writer& w) { w.array(n); }, "*" + digits + "\r\n");
    check([=](Writer& w) { w.bulk_header(n); }, "$" + digits + "\r\n");
  }
  for (size_t n = 0; n < 2000; ++n) {
    const std::string digits = std::to_string(n);
    REQUIRE(written(2, [=](Writer& w) { w.array(n); }) == "*" + digits + "\r\n");
  }
  check([](Writer& w) { w.integer(-1); }, ":-1\r\n");
  check([](Writer& w) { w.integer(INT64_MIN); }, ":-9223372036854775808\r\n");
}

TEST_CASE("CR and LF never leave in a line") {
  check([](Writer& w) { w.error("ERR a\r\nb\nc"); }, "-ERR a  b c\r\n");
  check([](Writer& w) { w.error("ERR a\r\n\n"); }, "-ERR a\r\n");
  check([](Writer& w) { w.error("\r\n"); }, "-\r\n");
  check([](Writer& w) { w.error(""); }, "-\r\n");
  check([](Writer& w) { w.simple_string("a\r\nb\n"); }, "+a  b \r\n");
  // What stood before is not touched.
  check(
      [](Writer& w) {
        w.bulk("\r\n");
        w.error("a\nb");
      },
      "$2\r\n\r\n\r\n-a b\r\n");
  CHECK(written(3, [](Writer& w) { w.big_number("1\n2"); }) == "(1 2\r\n");
}

TEST_CASE("what only RESP3 has falls back in RESP2 as in Redis") {
  check([](Writer& w) { w.bulk_null(); }, "$-1\r\n", "_\r\n");
  check([](Writer& w) { w.null_array(); }, "*-1\r\n", "_\r\n");
  check([](Writer& w) { w.map(2); }, "*4\r\n", "%2\r\n");
  check([](Writer& w) { w.map(300); }, "*600\r\n", "%300\r\n");
  check([](Writer& w) { w.set(3); }, "*3\r\n", "~3\r\n");
  check([](Writer& w) { w.push(3); }, "*3\r\n", ">3\r\n");
  check([](Writer& w) { w.boolean(true); }, ":1\r\n", "#t\r\n");
  check([](Writer& w) { w.boolean(false); }, ":0\r\n", "#f\r\n");
  check([](Writer& w) { w.double_value(1.1); }, "$18\r\n1.1000000000000001\r\n",
        ",1.1000000000000001\r\n");
  check([](Writer& w) { w.double_value(-3); }, "$2\r\n-3\r\n", ",-3\r\n");
  check([](Writer& w) { w.double_value(-HUGE_VAL); }, "$4\r\n-inf\r\n", ",-inf\r\n");
  check([](Writer& w) { w.big_number("-123"); }, "$4\r\n-123\r\n", "(-123\r\n");
  check([](Writer& w) { w.verbatim("txt", "a\r\n"); }, "$3\r\na\r\n\r\n", "=7\r\ntxt:a\r\n\r\n");
  CHECK(written(3, [](Writer& w) { w.attribute(1); }) == "|1\r\n");
}

TEST_CASE("deferred aggregates nest and follow one another") {
  const auto write = [](Writer& w) {
    w.ok();
    const auto outer = w.defer();
    w.integer(1);
    const auto map = w.defer();
    w.bulk("k");
    w.boolean(true);
    w.finish_map(map, 1);
    const auto set = w.defer();
    w.finish_set(set, 0);
    const auto push = w.defer();
    for (int i = 0; i < 600; ++i) w.integer(7);
    w.finish_push(push, 600);
    w.finish_array(outer, 4);
  };
  std::string sevens;
  for (int i = 0; i < 600; ++i) sevens += ":7\r\n";
  check(write, "+OK\r\n*4\r\n:1\r\n*2\r\n$1\r\nk\r\n:1\r\n*0\r\n*600\r\n" + sevens,
        "+OK\r\n*4\r\n:1\r\n%1\r\n$1\r\nk\r\n#t\r\n~0\r\n>600\r\n" + sevens);
}

TEST_CASE("a reply is taken back, and what stood before it stays") {
  std::string out = "before";
  Writer writer(out);
  writer.ok();
  const size_t size = writer.size();
  CHECK(size == 11);
  const auto mark = writer.defer();
  writer.bulk("half a reply");
  writer.finish_array(mark, 1);
  writer.truncate(size);
  writer.error("ERR no");
  CHECK(out == "before+OK\r\n-ERR no\r\n");
}

TEST_CASE("the protocol changes between replies") {
  std::string out;
  Writer writer(out);
  writer.bulk_null();
  writer.set_protocol(3);
  writer.bulk_null();
  CHECK(out == "$-1\r\n_\r\n");
}

// What is sent of a text and what is lent to it.
std::string sent(const std::string& text, const LentBytes& lent) {
  std::string out;
  lent.visit(text, [&](std::string_view piece) {
    CHECK(!piece.empty());
    out += piece;
    return true;
  });
  return out;
}

void lent_bulk(Writer& writer, std::string_view bytes, std::shared_ptr<const void> owner) {
  writer.bulk_header(bytes.size());
  writer.lent(bytes, std::move(owner));
  writer.crlf();
}

TEST_CASE("a lent bulk is sent in its place, from where it lies") {
  std::string text;
  LentBytes lent;
  Writer writer(text, 2, &lent);
  const auto owner = std::make_shared<std::string>("a large value");
  writer.ok();
  CHECK(sent(text, lent) == "+OK\r\n");
  lent_bulk(writer, *owner, owner);
  writer.bulk("b");
  lent_bulk(writer, "c", nullptr);
  CHECK(sent(text, lent) == "+OK\r\n$13\r\na large value\r\n$1\r\nb\r\n$1\r\nc\r\n");
  CHECK(writer.size() == text.size());
  CHECK(writer.size_with_lent() == sent(text, lent).size());
  CHECK(owner.use_count() == 2);

  bool in_place = false;
  lent.visit(text, [&](std::string_view piece) {
    in_place = in_place || piece.data() == owner->data();
    return true;
  });
  CHECK(in_place);
}

TEST_CASE("pieces share an owner for as long as one of them is there") {
  std::string text;
  LentBytes lent;
  Writer writer(text, 2, &lent);
  const auto owner = std::make_shared<std::string>("in pieces");
  const std::string_view bytes = *owner;
  writer.bulk_header(10);
  writer.lent(bytes.substr(0, 3), owner);
  const size_t size = writer.size();
  writer.raw("_");
  writer.lent(bytes.substr(3), owner);
  CHECK(owner.use_count() == 2);
  CHECK(sent(text, lent) == "$10\r\nin _pieces");
  writer.truncate(size);
  CHECK(owner.use_count() == 2);
  writer.lent(bytes.substr(2), owner);
  CHECK(sent(text, lent) == "$10\r\nin  pieces");
  writer.truncate(0);
  CHECK(owner.use_count() == 1);
  lent_bulk(writer, bytes, owner);
  CHECK(owner.use_count() == 2);
}

TEST_CASE("what is lent keeps its place when a header comes before it, and goes with its reply") {
  std::string text;
  LentBytes lent;
  Writer writer(text, 3, &lent);
  const auto owner = std::make_shared<std::string>("lent");
  lent_bulk(writer, "first", nullptr);
  const size_t size = writer.size();
  const auto outer = writer.defer();
  writer.bulk("x");
  const auto inner = writer.defer();
  lent_bulk(writer, *owner, owner);
  writer.finish_set(inner, 1);
  writer.finish_array(outer, 2);
  CHECK(sent(text, lent) == "$5\r\nfirst\r\n*2\r\n$1\r\nx\r\n~1\r\n$4\r\nlent\r\n");
  writer.truncate(size);
  CHECK(sent(text, lent) == "$5\r\nfirst\r\n");
  CHECK(owner.use_count() == 1);
  CHECK(lent.bytes() == 5);
  writer.truncate(0);
  CHECK(lent.empty());
  CHECK(sent(text, lent).empty());
}

}  // namespace
}  // namespace respcask::resp
