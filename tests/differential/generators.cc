// The generators of arguments that the patterns of families.cc name.
#include <algorithm>
#include <cstdio>
#include <string>

#include "tests/differential/extremes.h"
#include "tests/differential/grammar.h"

namespace respcask::differential {
namespace {

constexpr std::string_view kLimits[] = {"0",
                                        "1",
                                        "-1",
                                        "2",
                                        "127",
                                        "128",
                                        "-129",
                                        "255",
                                        "256",
                                        "9999",
                                        "10000",
                                        "32767",
                                        "65535",
                                        "2147483647",
                                        "2147483648",
                                        "-2147483648",
                                        "-2147483649",
                                        "4294967295",
                                        "4294967296",
                                        "9223372036854775806",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775807",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "99999999999999999999999"};
constexpr std::string_view kAlmostIntegers[] = {"",    "007",  "+1",  " 1", "1 ", "-0",  "-",
                                                "1.0", "0x10", "1e3", "a",  "1a", "--1", "+"};
constexpr std::string_view kFloats[] = {"0",
                                        "1",
                                        "-1",
                                        "3.14",
                                        "0.1",
                                        "-2.5",
                                        "1e10",
                                        "1e-5",
                                        "-1.5e-7",
                                        "1e300",
                                        "-1e300",
                                        "5e-324",
                                        "123456789.123456789",
                                        "0.30000000000000004",
                                        "1e17",
                                        "12345678901234567890",
                                        "1e5000",
                                        "inf",
                                        "-inf",
                                        "+inf",
                                        "nan",
                                        "0x1p3",
                                        " 1.5",
                                        "1.5 ",
                                        "1,5",
                                        "",
                                        ".5",
                                        "5.",
                                        "1e",
                                        "abc"};
constexpr std::string_view kWords[] = {"foo", "NX",      "XX",    "GET",   "EX",
                                       "PX",  "KEEPTTL", "COUNT", "MATCH", "LIMIT",
                                       "-",   "*",       "STORE", "0",     "-1"};

constexpr std::string_view kCommandNames[] = {
    "get",       "SET",           "mset",   "object|encoding",
    "bitop",     "config|get",    "copy",   "object",
    "exec",      "client|id",     "nosuch", "restore",
    "getex",     "expire",        "",       "rename",
    "hello",     "bitfield",      "lcs",    "scan",
    "dump",      "ping",          "swapdb", "command|docs",
    "subscribe", "get|x",         "echo",   "memory|usage",
    "slowlog",   "object|nosuch", "hset",   "lmpop",
    "zunion",    "sintercard",    "sort",   "bitfield_ro"};

std::string number(int64_t value) {
  return std::to_string(value);
}

std::string lettered(char letter, int64_t value) {
  std::string text(1, letter);
  text += number(value);
  return text;
}

std::string bytes(Random& random, size_t size) {
  std::string text(size, '\0');
  switch (random.below(3)) {
    case 0:  // binary
      for (char& c : text) c = static_cast<char>(random.below(256));
      break;
    case 1:  // compressible
      for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 7);
      break;
    default:
      for (char& c : text) c = static_cast<char>('a' + random.below(26));
      break;
  }
  return text;
}

// Around every size at which something may change: inline, embstr, listpack, packed, chunk, page.
size_t long_size(Random& random) {
  static constexpr size_t kEdges[] = {20, 44, 63, 64, 128, 255, 256, 2000, 2048, 4096, 8192, 16384};
  if (random.percent(2)) return 60000 + random.below(20000);
  const size_t edge = random.pick(kEdges);
  return edge - 2 + random.below(5);
}

std::string value(Random& random) {
  const size_t shape = random.below(100);
  if (shape < 20) return number(random.between(-20, 200));
  if (shape < 32) return std::string(random.pick(kLimits));
  if (shape < 38) return std::string(random.pick(kAlmostIntegers));
  if (shape < 46) return std::string(random.pick(kFloats));
  if (shape < 50) return std::string(random.pick(kWords));
  if (shape < 80) return bytes(random, random.below(40));
  return bytes(random, long_size(random));
}

std::string key_of(Random& random, char letter) {
  const std::string first(1, letter);
  const size_t shape = random.below(100);
  if (shape < 80) return first + number(static_cast<int64_t>(random.below(5)));
  if (shape < 88) return first + "{t}" + number(static_cast<int64_t>(random.below(2)));
  if (shape < 93) return first + std::string(" \r\n\0\xff", 5);
  if (shape < 97) return first + std::string(300, 'k');
  if (shape < 98) return "";
  return first + "[a-c]*?\\";
}

std::string key(Generator& g) {
  Random& random = g.random();
  const std::string_view letters = g.letters();
  const bool other = random.percent(8);
  return key_of(random, other ? letters[random.below(letters.size())] : g.letter());
}

std::string integer(Random& random) {
  if (random.percent(5)) return std::string(random.pick(kAlmostIntegers));
  if (random.percent(25)) return std::string(random.pick(kLimits));
  return number(random.between(-30, 30));
}

std::string index(Random& random) {
  if (random.percent(4)) return integer(random);
  if (random.percent(10)) return number(random.between(-20000, 20000));
  return number(random.between(-12, 12));
}

std::string offset(Random& random) {
  static constexpr std::string_view kBad[] = {
      "-1", "536870912", "4294967296", "9223372036854775807", "x", ""};
  const size_t shape = random.below(100);
  if (shape < 6) return std::string(random.pick(kBad));
  if (shape < 15) return number(random.between(0, 20000));
  if (shape < 16) return number(random.between(0, 200000));
  return number(random.between(0, 60));
}

std::string bit_offset(Random& random) {
  static constexpr std::string_view kBad[] = {"-1", "4294967296", "9223372036854775807",
                                              "x",  "",           "18446744073709551616"};
  const size_t shape = random.below(100);
  if (shape < 4) return std::string(random.pick(kBad));
  if (shape < 15) return number(random.between(0, 160000));
  if (shape < 16) return number(random.between(0, 1600000));
  return number(random.between(0, 500));
}

std::string field_type(Random& random) {
  static constexpr std::string_view kBad[] = {"u64", "i65", "i0", "u0", "x8", "i", "8", "u-1"};
  if (random.percent(3)) return std::string(random.pick(kBad));
  if (random.percent(50)) return random.percent(50) ? "u8" : "i8";
  if (random.percent(50)) return lettered('i', random.between(1, 64));
  return lettered('u', random.between(1, 63));
}

// Long enough never to end during a run, and so spread that no two are near each other.
int64_t far_seconds(Random& random) {
  return 20000 + 97 * random.between(0, 900000);
}

std::string bad_ttl(Random& random) {
  static constexpr std::string_view kBad[] = {"0",
                                              "-1",
                                              "-100",
                                              "9223372036854775807",
                                              "-9223372036854775808",
                                              "9223372036854775",
                                              "9223370000000000",
                                              "x",
                                              "",
                                              "1.5",
                                              "9223372036854775808"};
  return std::string(random.pick(kBad));
}

std::string element(Random& random) {
  const size_t shape = random.below(100);
  if (shape < 60) return lettered('m', static_cast<int64_t>(random.below(12)));
  if (shape < 75) return number(random.between(-3, 200));
  if (shape < 80) return lettered('m', static_cast<int64_t>(random.below(600)));
  return value(random);
}

std::string pattern(Random& random) {
  static constexpr std::string_view kList[] = {
      "*",  "s*", "h*", "?1",  "[s-z]?", "[^s]*",  "*{t}*", "s\\?", "",      "[",
      "[a", "\\", "*k", "**?", "s[0-2]", "[2-0]*", "a[^]",  "S0",   "*\xff*"};
  return std::string(random.pick(kList));
}

uint64_t crc64_jones(std::string_view data) {
  uint64_t crc = 0;
  for (const char c : data) {
    crc ^= static_cast<unsigned char>(c);
    // The polynomial 0xad93d23594c935a9, reflected.
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x95ac9329ac4bc9b5 : 0);
  }
  return crc;
}

// What DUMP would say of a string, or something near it.
std::string payload(Random& random) {
  if (random.percent(35)) return std::string(kOtherDump);
  const std::string text = value(random);
  std::string dump(1, '\0');
  if (text.size() < 64) {
    dump += static_cast<char>(text.size());
  } else if (text.size() < 16384) {
    dump += static_cast<char>(0x40 | (text.size() >> 8));
    dump += static_cast<char>(text.size() & 255);
  } else {
    dump += static_cast<char>(0x80);
    for (int shift = 24; shift >= 0; shift -= 8) {
      dump += static_cast<char>((text.size() >> shift) & 255);
    }
  }
  dump += text;
  dump += random.percent(95) ? '\x0a' : '\x0b';  // RDB version; 11 is newer than Redis 7.0's
  dump += '\0';
  const uint64_t crc = crc64_jones(dump);
  for (int shift = 0; shift < 64; shift += 8) dump += static_cast<char>((crc >> shift) & 255);
  if (random.percent(10)) dump[random.below(dump.size())] ^= 1;
  if (random.percent(3)) dump.resize(random.below(dump.size()));
  return dump;
}

// Coordinates close to each other, so that searches find something.
std::string coordinate(Random& random, double most) {
  if (random.percent(5)) return std::string(random.pick(kFloats));
  if (random.percent(10)) return number(random.between(-200, 200));
  const double around = random.percent(80) ? 13.4 : -most + 1;
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", static_cast<int>(random.below(16)),
                around + static_cast<double>(random.between(-1000, 1000)) / 900);
  return text;
}

std::string distance(Random& random) {
  if (random.percent(5)) return std::string(random.pick(kFloats));
  return number(random.between(0, random.percent(70) ? 300 : 30000));
}

struct Named {
  std::string_view name;
  void (*emit)(Generator&);
  std::span<const std::string_view> extremes = {};
};

#define VALUE(expression) [](Generator& g) { g.emit(expression); }
constexpr Named kGenerators[] = {
    {"key", VALUE(key(g))},
    {"val", VALUE(value(g.random()))},
    // Strings that LCS may compare without taking gigabytes.
    {"lkey", VALUE(lettered('l', static_cast<int64_t>(g.random().below(4))))},
    {"lexkey", VALUE(lettered('x', static_cast<int64_t>(g.random().below(3))))},
    {"listkey", VALUE(lettered('n', static_cast<int64_t>(g.random().below(3))))},
    {"lval", VALUE(bytes(g.random(), g.random().below(60)))},
    {"word", VALUE(std::string(g.random().pick(kWords)))},
    {"int", VALUE(integer(g.random())), kIntegerExtremes},
    {"float", VALUE(std::string(g.random().pick(kFloats))), kFloatExtremes},
    {"idx", VALUE(index(g.random())), kIntegerExtremes},
    {"offset", VALUE(offset(g.random())), kOffsetExtremes},
    {"bitoff", VALUE(bit_offset(g.random())), kOffsetExtremes},
    {"bit", VALUE(g.random().percent(96) ? number(g.random().between(0, 1)) : "2"), kBitExtremes},
    {"ftype", VALUE(field_type(g.random())), kFieldTypeExtremes},
    {"fieldoff", VALUE(std::string(g.random().percent(20) ? "#" : "") += bit_offset(g.random())),
     kOffsetExtremes},
    {"sec", VALUE(number(far_seconds(g.random()))), kTimeExtremes},
    {"msec", VALUE(number(far_seconds(g.random()) * 1000 + g.random().between(0, 999))),
     kTimeExtremes},
    // Points in time, in seconds: the years 2096 to 3017.
    {"at", VALUE(number(4000000000 + 97 * g.random().between(0, 300000000))), kTimeExtremes},
    {"msat", VALUE(number((4000000000 + 97 * g.random().between(0, 300000000)) * 1000 + 7)),
     kTimeExtremes},
    {"badttl", VALUE(bad_ttl(g.random()))},
    {"soon",
     [](Generator& g) {
       g.note_short_expiry();
       g.emit(number(g.random().between(kShortestExpiryMs, kLongestShortExpiryMs)));
     }},
    {"past",
     [](Generator& g) {
       g.note_short_expiry();
       g.emit(number(g.random().between(1, 1000000)));
     }},
    {"db", VALUE(number(g.random().between(0, kDatabases - 1))), kIntegerExtremes},
    {"baddb",
     [](Generator& g) {
       static constexpr std::string_view kBad[] = {"-1", "16", "99999999999", "x", ""};
       g.emit(std::string(g.random().pick(kBad)));
     }},
    {"pattern", VALUE(pattern(g.random()))},
    {"type",
     [](Generator& g) {
       static constexpr std::string_view kTypes[] = {"string", "hash", "list",   "set",
                                                     "zset",   "foo",  "STRING", ""};
       g.emit(std::string(g.random().pick(kTypes)));
     }},
    {"count", VALUE(g.random().percent(80) ? number(g.random().between(-2, 6))
                                           : integer(g.random())),
     kIntegerExtremes},
    {"positive", VALUE(number(g.random().between(1, 30))), kIntegerExtremes},
    {"payload", VALUE(payload(g.random()))},
    {"elem", VALUE(element(g.random()))},
    {"score", VALUE(g.random().percent(70) ? number(g.random().between(-5, 5))
                                           : std::string(g.random().pick(kFloats))),
     kFloatExtremes},
    {"bound",
     [](Generator& g) {
       static constexpr std::string_view kBounds[] = {"-inf", "+inf", "(0", "(1.5", "0", "3", "-2",
                                                      "(-inf", "(", "x", "nan", "5"};
       g.emit(std::string(g.random().pick(kBounds)));
     },
     kScoreBoundExtremes},
    {"lexbound",
     [](Generator& g) {
       static constexpr std::string_view kBounds[] = {"-", "+", "[m1", "(m1", "[m5", "(m9", "[",
                                                      "(", "m3", ""};
       g.emit(std::string(g.random().pick(kBounds)));
     },
     kLexBoundExtremes},
    // "2 key key": a count that is mostly right.
    {"numkeys",
     [](Generator& g) {
       const auto count = static_cast<size_t>(g.random().between(1, 3));
       g.emit(g.random().percent(95) ? std::to_string(count) : integer(g.random()));
       for (size_t i = 0; i < count; ++i) g.emit(key(g));
     },
     kIntegerExtremes},
    {"lon", VALUE(coordinate(g.random(), 180)), kCoordinateExtremes},
    {"lat", VALUE(coordinate(g.random(), 85)), kCoordinateExtremes},
    {"distance", VALUE(distance(g.random())), kFloatExtremes},
    {"unit",
     [](Generator& g) {
       static constexpr std::string_view kUnits[] = {"m", "km", "ft", "mi", "KM", "cm", ""};
       g.emit(std::string(g.random().percent(95) ? g.random().pick(kUnits) : "x"));
     }},
    // Waiting times of blocking commands.
    {"wait", VALUE(g.random().percent(80) ? number(g.random().between(0, 3))
                                          : std::string(g.random().pick(kFloats))),
     kFloatExtremes},
    // Channels that are subscribed to, and those that are published to: nothing ever arrives.
    {"chan", VALUE(lettered('c', static_cast<int64_t>(g.random().below(4))))},
    {"chanpattern", VALUE(lettered('c', static_cast<int64_t>(g.random().below(4))) + "*")},
    {"deadchan", VALUE(lettered('d', static_cast<int64_t>(g.random().below(4))))},
    {"longname", VALUE(bytes(g.random(), 20))},
    {"clientname",
     [](Generator& g) {
       static constexpr std::string_view kNames[] = {"me", "", "a b", "x\n", "name-1", "\xff"};
       g.emit(std::string(g.random().pick(kNames)));
     }},
    {"cmd", VALUE(g.names()[g.random().below(g.names().size())])},
};
#undef VALUE

}  // namespace

std::span<const std::string_view> command_names() {
  return kCommandNames;
}

std::string raw_bytes(Random& random) {
  static constexpr std::string_view kPieces[] = {"*2\r\n$3\r\nGET\r\n$2\r\ns0\r\n",
                                                 "*3\r\n$3\r\nSET\r\n$2\r\ns0\r\n$5\r\nhorse\r\n",
                                                 "*1\r\n$4\r\nPING\r\n",
                                                 "GET s0\r\n",
                                                 "ECHO \"a b\\x41\\n\" \r\n",
                                                 "ECHO 'it\\'s'\r\n",
                                                 "PING\n",
                                                 "\r\n",
                                                 "   \r\n",
                                                 "*0\r\n",
                                                 "*-1\r\n",
                                                 "*1\r\n$0\r\n\r\n",
                                                 "ECHO \"unbalanced\r\n",
                                                 "ECHO 'unbalanced\r\n",
                                                 "ECHO \"a\"b\r\n",
                                                 "*x\r\n",
                                                 "*2147483648\r\n",
                                                 "*99999999999999999999\r\n",
                                                 "*1\r\n$-1\r\n",
                                                 "*1\r\n$x\r\n",
                                                 "*1\r\n$\r\n",
                                                 "*1\r\n$536870913\r\n",
                                                 "*1\r\n$99999999999999999999\r\n",
                                                 "*1\r\n:4\r\nPING\r\n",
                                                 "*1\r\nPING\r\n",
                                                 "*\r\n",
                                                 "$4\r\nPING\r\n",
                                                 "POST / HTTP/1.1\r\nHost: here\r\n\r\n",
                                                 "GET / HTTP/1.1\r\nHost: here\r\n\r\n",
                                                 "*2\r\n$4\r\nECHO\r\n$5000\r\n",
                                                 "*+1\r\n$4\r\nPING\r\n",
                                                 "*01\r\n$04\r\nPING\r\n"};
  std::string bytes;
  for (size_t i = 1 + random.below(6); i > 0; --i) {
    std::string piece(random.pick(kPieces));
    if (random.percent(15)) {
      // Digits stay as they are: a length of millions would wait for ever. No NUL either: it hides
      // the end of its line.
      const size_t at = random.below(piece.size());
      static constexpr std::string_view kOther[] = {"\r", "\n", " ",    "a", "*",
                                                    "$",  "-",  "\xff", ""};
      if (piece[at] < '0' || piece[at] > '9') piece.replace(at, 1, random.pick(kOther));
    }
    bytes += piece;
  }
  return bytes;
}

bool generate(std::string_view name, Generator& generator) {
  const Named* const found = std::find_if(std::begin(kGenerators), std::end(kGenerators),
                                          [&](const Named& named) { return named.name == name; });
  if (found == std::end(kGenerators)) return false;
  if (!found->extremes.empty()) generator.note_extremes(found->extremes);
  found->emit(generator);
  return true;
}

}  // namespace respcask::differential
