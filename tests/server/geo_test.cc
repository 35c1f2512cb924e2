#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"

namespace respcask::server::testing {
namespace {

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string integer(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}
std::string bulks(std::initializer_list<std::string_view> all) {
  std::string reply = "*" + std::to_string(all.size()) + "\r\n";
  for (const std::string_view one : all) reply += bulk(one);
  return reply;
}

void add_cities(Harness& h) {
  REQUIRE(h.run("GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.496366 "
                "41.902782 Rome") == integer(3));
}

// All replies here are those of redis-server 7.0.15.

TEST_CASE("GEOADD adds, moves and counts as its options say") {
  Harness h;
  add_cities(h);
  CHECK(h.run("TYPE s") == "+zset\r\n");
  CHECK(h.run("ZSCORE s Palermo") == bulk("3479099956230698"));
  CHECK(h.run("GEOADD s 13 38 Palermo") == integer(0));
  CHECK(h.run("GEOADD s CH 13 39 Palermo 13 39 Palermo 1 1 new") == integer(2));
  CHECK(h.run("GEOADD s ch NX 1 2 Palermo 1 2 other") == integer(1));
  CHECK(h.run("GEOADD s XX CH 1 2 Rome 1 2 another") == integer(1));
  CHECK(h.run("ZCARD s") == integer(5));
  CHECK(h.run("GEOADD none XX 1 2 a") == integer(0));
  CHECK(h.run("EXISTS none") == integer(0));
  for (const std::string_view line :
       {"GEOADD s 1 2 a 3", "GEOADD s NX XX 1 2 a", "GEOADD s NX CH CH", "GEOADD s GT 1 2 a"}) {
    CHECK(h.run(line) == "-ERR syntax error\r\n");
  }
  CHECK(h.run("GEOADD s x 2 a") == "-ERR value is not a valid float\r\n");
  CHECK(h.run("GEOADD s 1 2 a 181 2 b") ==
        "-ERR invalid longitude,latitude pair 181.000000,2.000000\r\n");
  CHECK(h.run("GEOADD s inf 1e20 b") ==
        "-ERR invalid longitude,latitude pair inf,100000000000000000000.000000\r\n");
  CHECK(h.run("ZSCORE s a") == "$-1\r\n");
  h.run("SET text x");
  CHECK(h.run("GEOADD text 1 2 a") ==
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
}

TEST_CASE("GEOPOS, GEOHASH and GEODIST tell where members are") {
  Harness h;
  add_cities(h);
  const std::string palermo = bulks({"13.36138933897018433", "38.11555639549629859"});
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(h.run("GEOPOS s Palermo none") == "*2\r\n" + palermo + "*-1\r\n");
    CHECK(h.run("GEOHASH s Palermo none Rome") ==
          "*3\r\n" + bulk("sqc8b49rny0") + "$-1\r\n" + bulk("sr2ykk5t6k0"));
    CHECK(h.run("GEODIST s Palermo Catania") == bulk("166274.1516"));
    CHECK(h.run("GEODIST s Palermo Catania Mi") == bulk("103.3182"));
    h.restart();
  }
  CHECK(h.run("GEOPOS s") == "*0\r\n");
  CHECK(h.run("GEODIST s Palermo none") == "$-1\r\n");
  CHECK(h.run("GEODIST none a b") == "$-1\r\n");
  CHECK(h.run("GEODIST none a b x") ==
        "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n");
  CHECK(h.run("GEODIST none a b km x") == "-ERR syntax error\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("GEOPOS s Palermo none") ==
        "*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n");
  CHECK(h.run("GEOHASH s none") == "*1\r\n_\r\n");
  CHECK(h.run("GEODIST s none Rome") == "_\r\n");
  CHECK(h.run("GEODIST s Rome Rome km") == bulk("0.0000"));
}

TEST_CASE("searches find members around a place or a member, in Redis's order") {
  Harness h;
  add_cities(h);
  CHECK(h.run("GEORADIUS s 15 37 500 km") == bulks({"Palermo", "Catania"}));
  CHECK(h.run("GEORADIUS_RO s 15 37 500 km ASC") == bulks({"Catania", "Palermo"}));
  CHECK(h.run("GEORADIUSBYMEMBER s Rome 1000 km") == bulks({"Palermo", "Catania", "Rome"}));
  CHECK(h.run("GEORADIUSBYMEMBER_RO s Rome 1000 km DESC") == bulks({"Catania", "Palermo", "Rome"}));
  CHECK(h.run("GEOSEARCH s BYRADIUS 1000 km FROMMEMBER Rome") ==
        bulks({"Palermo", "Catania", "Rome"}));
  CHECK(h.run("GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC") ==
        bulks({"Catania", "Palermo"}));
  CHECK(h.run("GEOSEARCH s FROMLONLAT 15 37 BYBOX 100 400 km") == bulks({"Catania"}));
  CHECK(h.run("GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 1 m") == "*0\r\n");
  CHECK(h.run("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS inf km COUNT 1") == bulks({"Catania"}));
  const std::string_view all = "WITHDIST WITHHASH WITHCOORD COUNT 1";
  const std::string catania = "*1\r\n*4\r\n" + bulk("Catania") + bulk("56.4413") +
                              integer(3479447370796909) +
                              bulks({"15.08726745843887329", "37.50266842333162032"});
  CHECK(h.run("GEORADIUS s 15 37 200 km " + std::string(all)) == catania);
  CHECK(h.run("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200000 m WITHHASH") ==
        "*2\r\n*2\r\n" + bulk("Palermo") + integer(3479099956230698) + "*2\r\n" + bulk("Catania") +
            integer(3479447370796909));
  h.client().use_protocol(3);
  CHECK(h.run("GEORADIUS s 15 37 200 km WITHCOORD COUNT 1") ==
        "*1\r\n*2\r\n" + bulk("Catania") +
            "*2\r\n,15.08726745843887329\r\n,37.50266842333162032\r\n");
}

TEST_CASE("of members that are equally far, the same come first as in Redis") {
  Harness h;
  for (int i = 0; i < 60; ++i) {
    h.run("GEOADD t " + std::to_string(i * 7 % 3) + " 10 m" + std::to_string(i));
  }
  const std::string search = "GEOSEARCH t FROMLONLAT 0 10 BYRADIUS 1000 km COUNT ";
  CHECK(h.run(search + "12") ==
        bulks({"m9", "m15", "m18", "m21", "m24", "m27", "m3", "m30", "m33", "m36", "m39", "m42"}));
  CHECK(h.run(search + "7 DESC") == bulks({"m14", "m59", "m56", "m53", "m50", "m5", "m47"}));
  CHECK(h.run(search + "3 ANY") == bulks({"m0", "m12", "m15"}));
}

TEST_CASE("a search that stores makes a sorted set of geohashes or distances") {
  Harness h({"notify-keyspace-events", "KEA"});
  KeyspaceEvents events(h);
  add_cities(h);
  CHECK(events.take() == "0:zadd s");
  CHECK(h.run("GEORADIUS s 15 37 500 km STOREDIST {d} COUNT 5") == integer(2));
  CHECK(events.take() == "0:georadiusstore {d}");
  CHECK(h.run("ZRANGE {d} 0 -1 WITHSCORES") ==
        bulks({"Catania", "56.441257870158204", "Palermo", "190.44242984775784"}));
  CHECK(h.run("GEOSEARCHSTORE other s FROMLONLAT 15 37 BYRADIUS 500 km") == integer(2));
  CHECK(events.take() == "0:geosearchstore other");
  CHECK(h.run("GEOPOS other Palermo") == h.run("GEOPOS s Palermo"));
  CHECK(h.run("GEOSEARCHSTORE other s FROMMEMBER Rome BYRADIUS 9 m STOREDIST") == integer(1));
  CHECK(h.run("ZSCORE other Rome") == bulk("0"));
  events.take();
  CHECK(h.run("GEOSEARCHSTORE other s FROMLONLAT 0 0 BYRADIUS 1 m") == integer(0));
  CHECK(events.take() == "0:del other");
  CHECK(h.run("GEORADIUSBYMEMBER none a 1 m STORE {d}") == integer(0));
  CHECK(events.take() == "0:del {d}");
  CHECK(h.run("GEORADIUSBYMEMBER none a 1 m STORE {d}") == integer(0));
  CHECK(events.take() == "");
  // Onto itself.
  CHECK(h.run("GEOSEARCHSTORE s s FROMLONLAT 15 37 BYRADIUS 500 km") == integer(2));
  CHECK(h.run("ZCARD s") == integer(2));
  events.restart_server();
  CHECK(h.run("GEORADIUS s 15 37 500 km") == bulks({"Palermo", "Catania"}));
}

TEST_CASE("of several STOREs the last one counts, wherever its key lies") {
  Harness h;
  add_cities(h);
  for (char name = 'a'; name <= 'z'; ++name) {
    const std::string last = std::string("to-") + name;
    CHECK(h.run("GEORADIUS s 15 37 500 km STORE x STOREDIST y STORE " + last + " COUNT 1") ==
          integer(1));
    CHECK(h.run("ZCARD " + last) == integer(1));
    CHECK(h.run("GEORADIUSBYMEMBER s Rome 5 km STORE x STORE " + last + "2") == integer(1));
    CHECK(h.run("ZCARD " + last + "2") == integer(1));
  }
}

TEST_CASE("large sets, split among records, are searched as small ones") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Harness h;
  std::vector<std::string> command{"GEOADD", "large"};
  for (int i = 0; i < 3000; ++i) {
    std::uniform_real_distribution<double> longitude(0, 20), latitude(30, 50);
    const double east = longitude(random), north = latitude(random);
    const std::string x = std::to_string(east), y = std::to_string(north);
    const std::string member = "member-" + std::to_string(i);
    command.insert(command.end(), {x, y, member});
    // The same ones, few together.
    if (east < 6 && north > 39 && north < 43) h.run({"GEOADD", "small", x, y, member});
  }
  REQUIRE(h.client().run(std::move(command)) == integer(3000));
  const std::string search = " FROMLONLAT 3 41 BYBOX 160 150 km ASC WITHDIST";
  CHECK(h.run("GEOSEARCH large" + search) == h.run("GEOSEARCH small" + search));
  CHECK(h.run("GEOSEARCH large FROMLONLAT 10 40 BYRADIUS 20000 km COUNT 7 ANY")
            .starts_with("*7\r\n"));
  CHECK(h.run("GEOSEARCHSTORE copy large FROMLONLAT 10 40 BYRADIUS 20000 km") == integer(3000));
  CHECK(h.run("GEOSEARCHSTORE large large FROMLONLAT 10 40 BYRADIUS 20000 km") == integer(3000));
  h.restart();
  CHECK(h.run("GEOSEARCH large" + search) == h.run("GEOSEARCH copy" + search));
}

TEST_CASE("searches that make no sense are refused with Redis's words") {
  Harness h;
  add_cities(h);
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"GEORADIUS s 15 37 x km", "need numeric radius"},
      {"GEORADIUS s 15 37 -1 km", "radius cannot be negative"},
      {"GEORADIUS s 15 37 1 furlong", "unsupported unit provided. please use M, KM, FT, MI"},
      {"GEORADIUS s 15 x 1 km", "value is not a valid float"},
      {"GEORADIUS s 15 137 1 km", "invalid longitude,latitude pair 15.000000,137.000000"},
      {"GEORADIUS s 15 37 1 km COUNT 0", "COUNT must be > 0"},
      {"GEORADIUS s 15 37 1 km COUNT 9223372036854775808",
       "value is not an integer or out of range"},
      {"GEORADIUS s 15 37 1 km COUNT", "syntax error"},
      {"GEORADIUS s 15 37 1 km ANY", "the ANY argument requires COUNT argument"},
      {"GEORADIUS s 15 37 1 km STORE", "syntax error"},
      {"GEORADIUS_RO s 15 37 1 km STORE d", "syntax error"},
      {"GEORADIUS s 15 37 1 km FROMMEMBER Rome", "syntax error"},
      {"GEORADIUS s 15 37 1 km STORE d WITHDIST",
       "STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"},
      {"GEORADIUSBYMEMBER s none 1 km", "could not decode requested zset member"},
      {"GEOSEARCH s FROMMEMBER none BYRADIUS 1 km", "could not decode requested zset member"},
      {"GEOSEARCH s BYRADIUS 1 km ASC WITHDIST",
       "exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH"},
      {"geosearch s FROMMEMBER Rome ASC WITHDIST WITHHASH",
       "exactly one of BYRADIUS and BYBOX can be specified for geosearch"},
      {"GEOSEARCH s FROMMEMBER Rome FROMLONLAT 1 2 BYRADIUS 1 km", "syntax error"},
      {"GEOSEARCH s FROMLONLAT 1 2 FROMMEMBER Rome BYRADIUS 1 km", "syntax error"},
      {"GEOSEARCH s FROMLONLAT 1 2 BYRADIUS 1 km BYBOX 1 1 km", "syntax error"},
      {"GEOSEARCH s FROMLONLAT 1 2 BYBOX 1 1 km BYRADIUS 1 km", "syntax error"},
      {"GEOSEARCH s FROMLONLAT 1 2 BYBOX x 1 km", "need numeric width"},
      {"GEOSEARCH s FROMLONLAT 1 2 BYBOX 1 x km", "need numeric height"},
      {"GEOSEARCH s FROMLONLAT 1 2 BYBOX 1 -1 km", "height or width cannot be negative"},
      {"GEOSEARCH s FROMLONLAT 1 2 BYRADIUS 1 km STOREDIST", "syntax error"},
      {"GEOSEARCHSTORE d s FROMLONLAT 1 2 BYRADIUS 1 km WITHHASH",
       "GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"},
  };
  for (const auto& refused : kCases) {
    CAPTURE(refused.first);
    CHECK(h.run(refused.first) == "-ERR " + std::string(refused.second) + "\r\n");
  }
  h.run("SET text x");
  CHECK(h.run("GEOSEARCH text a b c d e") ==
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  // Nothing is looked for where there is nothing, but for the options.
  CHECK(h.run("GEORADIUSBYMEMBER none a x furlong") == "*0\r\n");
  CHECK(h.run("GEORADIUS none 15 37 x km") == "-ERR need numeric radius\r\n");
  CHECK(h.run("GEOSEARCH none FROMMEMBER a BYRADIUS 1 m x") == "-ERR syntax error\r\n");
  CHECK(h.run("EXISTS d") == integer(0));
}

}  // namespace
}  // namespace respcask::server::testing
