#include "resp/parser.h"

#include <doctest/doctest.h>

#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "resp/writer.h"
#include "tests/resp/transcript.h"

namespace respcask::resp {
namespace {

using std::string_view_literals::operator""sv;

using Command = std::vector<std::string>;
using Commands = std::vector<Command>;
using Status = Parser::Status;

// The same at every cut in two, at every cut in three if the stream is short, and byte by byte.
Transcript read_at_every_split(std::string_view stream, const Limits& limits = {}) {
  const Transcript whole = read_stream(stream, {}, limits);
  for (size_t first = 0; first <= stream.size(); ++first) {
    const size_t last_second = stream.size() <= 100 ? stream.size() : first;
    for (size_t second = first; second <= last_second; ++second) {
      const size_t cuts[] = {first, second};
      const Transcript split = read_stream(stream, cuts, limits);
      if (split != whole) {
        CAPTURE(std::string(stream));
        CAPTURE(first);
        CAPTURE(second);
        CHECK(split == whole);
      }
    }
  }
  std::vector<size_t> every_byte(stream.size());
  std::iota(every_byte.begin(), every_byte.end(), size_t{0});
  CHECK(read_stream(stream, every_byte, limits) == whole);
  return whole;
}

std::string encode(const Command& command) {
  std::string out;
  Writer writer(out);
  writer.array(command.size());
  for (const std::string& arg : command) writer.bulk(arg);
  return out;
}

Limits before_auth() {
  Limits limits;
  limits.unauthenticated = true;
  return limits;
}

TEST_CASE("multibulk and inline commands mix in one stream at every split") {
  const std::string stream =
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"
      "PING  \"x y\"\n"
      "*1\r\n$0\r\n\r\n"
      "GET k\r\n";
  const Transcript got = read_at_every_split(stream);
  CHECK(got.commands == Commands{{"SET", "k", "a\r\nb"}, {"PING", "x y"}, {""}, {"GET", "k"}});
  CHECK(got.error.empty());
  CHECK(got.consumed == stream.size());
}

TEST_CASE("commands that say nothing are consumed without a reply") {
  const std::string stream =
      "*0\r\n*-1\r\n*-9223372036854775808\r\n\r\n\n \t\v\r\n*1\r\n$4\r\nPING\r\n";
  const Transcript got = read_at_every_split(stream);
  CHECK(got.commands == Commands{{"PING"}});
  CHECK(got.consumed == stream.size());
}

TEST_CASE("bytes that Redis does not look at are not looked at") {
  const Transcript got = read_at_every_split("*1\rX$4\r\0PINGzz*1\r\n$4\r\nPING\r\n"sv);
  CHECK(got.commands == Commands{{"PING"}, {"PING"}});
}

TEST_CASE("every protocol error has the text of Redis at every split") {
  const struct {
    std::string stream;
    std::string error;
  } cases[] = {
      {"*+3\r\n", "invalid multibulk length"},
      {"* 3\r\n", "invalid multibulk length"},
      {"*03\r\n", "invalid multibulk length"},
      {"*-0\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*a\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*-9223372036854775809\r\n", "invalid multibulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$04\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$00\r\n", "invalid bulk length"},
      {"*1\r\n$ 4\r\n", "invalid bulk length"},
      {"*1\r\n$4 \r\n", "invalid bulk length"},
      {"*1\r\n$\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$9223372036854775808\r\n", "invalid bulk length"},
      {"*1\r\n$4x\r\n", "invalid bulk length"},
      {"*1\r\n:4\r\n", "expected '$', got ':'"},
      {"*2\r\n$4\r\nPING\r\n*1\r\n", "expected '$', got '*'"},
      {"*1\r\n\r\n", "expected '$', got ' '"},
      {"*1\r\n\n\r\n", "expected '$', got ' '"},
      {"*1\r\n\xff\r\n", "expected '$', got '\xff'"},
      {"\"PING\r\n", "unbalanced quotes in request"},
      {"PING \"a\"b\r\n", "unbalanced quotes in request"},
      {"PING 'a\\'\r\n", "unbalanced quotes in request"},
  };
  const std::string ping = encode({"PING"});
  for (const auto& test : cases) {
    const std::string& stream = test.stream;
    const std::string error = std::string("ERR Protocol error: ") + test.error;
    CAPTURE(stream);
    const Transcript alone = read_at_every_split(stream);
    CHECK(alone.error == error);
    CHECK(alone.commands.empty());

    const Transcript behind = read_at_every_split(ping + stream + ping);
    CHECK(behind.error == error);
    CHECK(behind.commands == Commands{{"PING"}});
    CHECK(behind.consumed == 14);
  }
}

TEST_CASE("lengths that are just legal are no errors") {
  for (const std::string stream :
       {"*2147483647\r\n", "*1048577\r\n", "*1\r\n$536870912\r\n", "*1\r\nfoo", "*1\r\n$4\r"}) {
    CAPTURE(stream);
    const Transcript got = read_at_every_split(stream);
    CHECK(got.error.empty());
    CHECK(got.commands.empty());
  }
}

TEST_CASE("limits are those that are set, and stricter before authentication") {
  CHECK(read_at_every_split("*10\r\n", before_auth()).error.empty());
  CHECK(read_at_every_split("*11\r\n", before_auth()).error ==
        "ERR Protocol error: unauthenticated multibulk length");
  CHECK(read_at_every_split("*2147483648\r\n", before_auth()).error ==
        "ERR Protocol error: invalid multibulk length");
  CHECK(read_at_every_split("*1\r\n$16384\r\n", before_auth()).error.empty());
  CHECK(read_at_every_split("*1\r\n$16385\r\n", before_auth()).error ==
        "ERR Protocol error: unauthenticated bulk length");
  CHECK(read_at_every_split("*1\r\n$536870913\r\n", before_auth()).error ==
        "ERR Protocol error: invalid bulk length");

  Limits small;
  small.max_args = 2;
  small.max_bulk_bytes = 3;
  CHECK(read_at_every_split("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", small).commands ==
        Commands{{"GET", "k"}});
  CHECK(read_at_every_split("*3\r\n", small).error ==
        "ERR Protocol error: invalid multibulk length");
  CHECK(read_at_every_split("*1\r\n$4\r\n", small).error ==
        "ERR Protocol error: invalid bulk length");

  Limits huge;
  huge.max_bulk_bytes = INT64_MAX;
  const Transcript got = read_at_every_split("*1\r\n$9223372036854775807\r\nab", huge);
  CHECK(got.error.empty());
  CHECK(got.wanted == size_t{INT64_MAX});
}

TEST_CASE("limits change between two commands of one buffer") {
  Parser parser(before_auth());
  const std::string auth = encode({"AUTH", "x"});
  const std::string stream = auth + encode(Command(12, "a"));
  REQUIRE(parser.parse(stream) == Status::kCommand);
  parser.set_limits(Limits{});
  REQUIRE(parser.parse(std::string_view(stream).substr(auth.size())) == Status::kCommand);
  CHECK(parser.args().size() == 12);
}

// What `parser` says of a line that grows byte by byte, with `stream` kept in place.
size_t bytes_until_error(Parser& parser, std::string_view stream) {
  for (size_t size = 1; size <= stream.size(); ++size) {
    if (parser.parse(stream.substr(0, size)) == Status::kError) return size;
  }
  return 0;
}

TEST_CASE("a line without an end is an error past 64 KiB, wherever it is cut") {
  const struct {
    std::string prefix;
    std::string line;
    std::string error;
  } cases[] = {
      {"", "a", "ERR Protocol error: too big inline request"},
      {"", std::string("\0\n", 2), "ERR Protocol error: too big inline request"},
      {"", "*", "ERR Protocol error: too big mbulk count string"},
      {"", std::string("*1\0\r\n", 5), "ERR Protocol error: too big mbulk count string"},
      {"*1\r\n", "$", "ERR Protocol error: too big bulk count string"},
      {"*2\r\n$1\r\na\r\n", "x", "ERR Protocol error: too big bulk count string"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.line);
    const size_t limit = test.prefix.size() + Limits::kMaxLineBytes;
    std::string stream = test.prefix + test.line;
    stream.resize(limit + 100, '1');
    Parser parser;
    CHECK(bytes_until_error(parser, stream) == limit + 1);
    CHECK(parser.error() == test.error);
    for (const size_t cut : {limit - 1, limit, limit + 1, limit + 2, limit + 100}) {
      const size_t cuts[] = {cut};
      CHECK(read_stream(stream, cuts).error == test.error);
    }
  }
}

TEST_CASE("a line of exactly 64 KiB is complete with its end") {
  const std::string word(Limits::kMaxLineBytes, 'a');
  CHECK(read_stream(word + "\n", {}).commands == Commands{{word}});
  CHECK(read_stream(word + "\r\n", {}).error == "ERR Protocol error: too big inline request");
  // The line is found, and its number is wrong.
  const std::string digits(Limits::kMaxLineBytes - 1, '1');
  CHECK(read_stream("*" + digits + "\r\n", {}).error ==
        "ERR Protocol error: invalid multibulk length");
  CHECK(read_stream("*1\r\n$" + digits + "\r\n", {}).error ==
        "ERR Protocol error: invalid bulk length");
}

TEST_CASE("wanted is what the bulk still lacks") {
  const std::string stream = "*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n";
  const size_t body = stream.size() - 12;
  Parser parser;
  for (size_t size = 0; size < stream.size(); ++size) {
    CAPTURE(size);
    REQUIRE(parser.parse(std::string_view(stream).substr(0, size)) == Status::kNeedMore);
    if (size >= body) CHECK(parser.wanted() == stream.size() - size);
    if (size == 9) CHECK(parser.wanted() == 4);
    if (size == 13) CHECK(parser.wanted() == 0);
  }
  REQUIRE(parser.parse(stream) == Status::kCommand);
  CHECK(parser.wanted() == 0);
}

TEST_CASE(
    "what an unfinished command has in complete arguments is told, and none of the next one") {
  const std::string stream = "*3\r\n$3\r\nSET\r\n$5\r\nabcde\r\n$2\r\nvv\r\n";
  Parser parser;
  for (int round = 0; round < 2; ++round) {
    for (size_t size = 0; size < stream.size(); ++size) {
      CAPTURE(size);
      REQUIRE(parser.parse(std::string_view(stream).substr(0, size)) == Status::kNeedMore);
      const size_t bytes = size >= 24 ? 8 : size >= 13 ? 3 : 0;
      CHECK(parser.argument_bytes() == bytes);
      // The header of what is unfinished counts once it is whole.
      CHECK(parser.taken() == (size >= 28   ? 28
                               : size >= 24 ? 24
                               : size >= 17 ? 17
                               : size >= 13 ? 13
                               : size >= 8  ? 8
                               : size >= 4  ? 4
                                            : 0));
    }
    REQUIRE(parser.parse(stream) == Status::kCommand);
    CHECK(parser.taken() == 0);
    CHECK(parser.argument_bytes() == 10);
  }
}

TEST_CASE("an error lasts until the parser is reset") {
  Parser parser;
  REQUIRE(parser.parse("*x\r\n") == Status::kError);
  CHECK(parser.parse("PING\r\n") == Status::kError);
  CHECK(parser.error() == "ERR Protocol error: invalid multibulk length");
  parser.reset();
  CHECK(parser.error().empty());
  REQUIRE(parser.parse("*2\r\n$1\r\na\r\n") == Status::kNeedMore);
  parser.reset();
  REQUIRE(parser.parse("PING\r\n") == Status::kCommand);
  CHECK(parser.args().size() == 1);
  REQUIRE(parser.parse("PING\0\n"sv) == Status::kNeedMore);
  parser.reset();
  CHECK(parser.parse("PING\n") == Status::kCommand);
}

TEST_CASE("arguments are views into the buffer, and repeated commands allocate nothing") {
  const std::string set = encode({"SET", "key", std::string(100, 'v')});
  Parser parser;
  REQUIRE(parser.parse(set) == Status::kCommand);
  const size_t held = parser.heap_bytes();
  const std::string_view* const args = parser.args().data();
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(parser.parse(set) == Status::kCommand);
    CHECK(parser.args().data() == args);
    for (const std::string_view arg : parser.args()) {
      CHECK(arg.data() >= set.data());
      CHECK(arg.data() + arg.size() <= set.data() + set.size());
    }
  }
  CHECK(parser.heap_bytes() == held);
}

TEST_CASE("claimed lengths cost no memory, and a huge command gives its memory back") {
  Parser parser;
  REQUIRE(parser.parse("*2147483647\r\n$536870912\r\n") == Status::kNeedMore);
  CHECK(parser.heap_bytes() < 1024);

  parser.reset();
  REQUIRE(parser.parse(encode(Command(100'000, "a"))) == Status::kCommand);
  CHECK(parser.args().size() == 100'000);
  CHECK(parser.heap_bytes() >= 1'600'000);
  REQUIRE(parser.parse("PING\r\n") == Status::kCommand);
  CHECK(parser.heap_bytes() < 1024);
}

TEST_CASE("a slow drip costs time in proportion to its bytes") {
  // With work per call in proportion to what has arrived, this would take many minutes.
  const std::string many = encode(Command(300'000, "a"));
  Parser parser;
  for (size_t size = 0; size < many.size(); ++size) {
    if (parser.parse(std::string_view(many).substr(0, size)) != Status::kNeedMore) FAIL(size);
  }
  REQUIRE(parser.parse(many) == Status::kCommand);
  CHECK(parser.args().size() == 300'000);
}

std::string random_bytes(std::mt19937_64& random, size_t max_size) {
  // Bytes that matter to the protocol are as frequent as all others together.
  static constexpr std::string_view kSpecial("\r\n$*0129-\"'\\ \0", 14);
  std::string bytes(random() % (max_size + 1), '\0');
  for (char& byte : bytes) {
    byte = random() % 2 == 0 ? kSpecial[random() % kSpecial.size()] : static_cast<char>(random());
  }
  return bytes;
}

std::string encode_inline(const Command& command) {
  std::string line;
  for (const std::string& arg : command) {
    line += " \"";
    for (const char byte : arg) {
      static constexpr char kHex[] = "0123456789abcdef";
      line += {'\\', 'x', kHex[static_cast<unsigned char>(byte) >> 4], kHex[byte & 15]};
    }
    line += '"';
  }
  return line + "\r\n";
}

TEST_CASE("random commands come back as they were written, at random splits") {
  const uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    Commands commands;
    std::string stream;
    for (size_t count = random() % 8; count > 0; --count) {
      Command command(1 + random() % 5);
      for (std::string& arg : command) arg = random_bytes(random, random() % 10 == 0 ? 2000 : 20);
      stream += random() % 4 == 0 ? encode_inline(command) : encode(command);
      commands.push_back(std::move(command));
    }
    std::vector<size_t> cuts(random() % 10);
    for (size_t& cut : cuts) cut = random() % (stream.size() + 1);
    std::sort(cuts.begin(), cuts.end());
    const Transcript got = read_stream(stream, cuts);
    REQUIRE(got.error.empty());
    REQUIRE(got.commands == commands);
    REQUIRE(got.consumed == stream.size());
  }
}

TEST_CASE("random streams read the same at random splits") {
  const uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string stream = encode({random_bytes(random, 4), random_bytes(random, 4)});
    for (size_t edits = random() % 4; edits > 0; --edits) {
      stream.replace(random() % stream.size(), random() % 3, random_bytes(random, 3));
      if (stream.empty()) stream.push_back('*');
    }
    stream += stream;
    std::vector<size_t> cuts(1 + random() % 4);
    for (size_t& cut : cuts) cut = random() % (stream.size() + 1);
    std::sort(cuts.begin(), cuts.end());
    const Limits limits = random() % 2 == 0 ? Limits{} : before_auth();
    REQUIRE(read_stream(stream, cuts, limits) == read_stream(stream, {}, limits));
  }
}

}  // namespace
}  // namespace respcask::resp
