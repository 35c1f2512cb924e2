// CLUSTER with cluster mode off: refusals, and true slots.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "engine/slot.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("cluster: all but the slots is refused as with cluster mode off") {
  Harness h;
  const std::string refusal = "-ERR This instance has cluster support disabled\r\n";
  for (const char* command : {"cluster info", "cluster myid", "cluster nodes", "cluster slots",
                              "cluster shards", "cluster links", "cluster help", "cluster reset",
                              "cluster meet 127.0.0.1 7000", "asking", "readonly", "readwrite"}) {
    CAPTURE(command);
    CHECK(h.run(command) == refusal);
  }
  CHECK(h.run("cluster") == "-ERR wrong number of arguments for 'cluster' command\r\n");
  CHECK(h.run("cluster keyslot") ==
        "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n");
  CHECK(h.run("cluster nonsense") == "-ERR unknown subcommand 'nonsense'. Try CLUSTER HELP.\r\n");
}

TEST_CASE("cluster: the slot of a key is that of its tag") {
  Harness h;
  CHECK(h.run("cluster keyslot 123456789") == ":12739\r\n");
  CHECK(h.run("cluster keyslot a{b}") == h.run("cluster keyslot b"));
  CHECK(h.run("cluster keyslot {}b") != h.run("cluster keyslot b"));
}

TEST_CASE("cluster: the keys of a slot are counted and listed, in the database that is selected") {
  Harness h;
  const std::string slot = std::to_string(engine::key_slot("tag"));
  for (int i = 0; i < 3000; ++i) {
    const std::string n = std::to_string(i);
    h.run({"set", "{tag}" + n, "v"});
    h.run({"set", "other" + n, "v"});
  }
  const std::string elsewhere = "other0";
  CHECK(h.run("cluster countkeysinslot " + slot) == ":3000\r\n");
  CHECK(h.run("cluster countkeysinslot " + std::to_string(engine::key_slot(elsewhere))) ==
        ":1\r\n");
  CHECK(h.run("cluster getkeysinslot " + std::to_string(engine::key_slot(elsewhere)) + " 10") ==
        "*1\r\n$6\r\nother0\r\n");
  const std::string some = h.run("cluster getkeysinslot " + slot + " 5");
  CHECK(some.starts_with("*5\r\n"));
  CHECK(std::count(some.begin(), some.end(), '{') == 5);
  CHECK(h.run("cluster getkeysinslot " + slot + " 9999").starts_with("*3000\r\n"));
  CHECK(h.run("cluster getkeysinslot " + slot + " 0") == "*0\r\n");
  h.run("select 1");
  CHECK(h.run("cluster countkeysinslot " + slot) == ":0\r\n");

  CHECK(h.run("cluster countkeysinslot x") == "-ERR value is not an integer or out of range\r\n");
  for (const char* wrong : {"-1", "16384"}) {
    CHECK(h.run(std::string("cluster countkeysinslot ") + wrong) == "-ERR Invalid slot\r\n");
    CHECK(h.run(std::string("cluster getkeysinslot ") + wrong + " 1") ==
          "-ERR Invalid slot or number of keys\r\n");
  }
  CHECK(h.run("cluster getkeysinslot 1 -1") == "-ERR Invalid slot or number of keys\r\n");
}

}  // namespace
}  // namespace respcask::server::testing
