#include <doctest/doctest.h>

#include <string>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("slowlog: what is slow enough is kept, newest first, with who did it") {
  Harness h;
  h.run("slowlog reset");
  h.run("config set slowlog-log-slower-than 100000000");
  h.run("set a b");
  CHECK(h.run("slowlog len") == ":0\r\n");
  h.client().session->set_name("me");
  h.run("config set slowlog-log-slower-than 0");
  h.run("set a b");
  h.run("config set slowlog-log-slower-than -1");
  CHECK(h.run("slowlog len") == ":2\r\n");
  const std::string log = h.run("slowlog get 1");
  CHECK(log.starts_with("*1\r\n*6\r\n:1\r\n:"));
  CHECK(log.ends_with(
      "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nb\r\n$14\r\n127.0.0.1:1000\r\n$2\r\nme\r\n"));
  CHECK(h.run("slowlog get 0") == "*0\r\n");
  CHECK(h.run("slowlog get -1").starts_with("*2\r\n"));
  CHECK(h.run("slowlog reset") == "+OK\r\n");
  CHECK(h.run("slowlog get") == "*0\r\n");
}

TEST_CASE("slowlog: wrong counts") {
  Harness h;
  const std::string wrong = "-ERR count should be greater than or equal to -1\r\n";
  CHECK(h.run("slowlog get -2") == wrong);
  CHECK(h.run("slowlog get x") == wrong);
  CHECK(h.run("slowlog get 1 2") ==
        "-ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.\r\n");
}

TEST_CASE("slowlog: at most slowlog-max-len entries, with long arguments cut") {
  Harness h({"slowlog-log-slower-than", "0", "slowlog-max-len", "3"});
  for (int i = 0; i < 10; ++i) h.run("get a");
  CHECK(h.run("slowlog len") == ":3\r\n");
  h.run("set a " + std::string(200, 'x'));
  const std::string log = h.run("slowlog get 1");
  CHECK(log.find(std::string(128, 'x') + "... (72 more bytes)\r\n") != std::string::npos);
}

}  // namespace
}  // namespace respcask::server::testing
