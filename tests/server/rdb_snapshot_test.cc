#include "server/rdb/snapshot.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "server/rdb/bytes.h"
#include "server/rdb/crc64.h"
#include "server/rdb/decode.h"
#include "server/rdb/listpack.h"

namespace respcask::server::rdb {
namespace {

using namespace std::literals;

using File = std::unique_ptr<std::FILE, decltype(&std::fclose)>;

File file_of(std::string& bytes) {
  return {::fmemopen(bytes.data(), bytes.size(), "rb"), &std::fclose};
}

// A string of fewer than 64 bytes.
std::string text(std::string_view bytes) {
  return static_cast<char>(bytes.size()) + std::string(bytes);
}

std::string closed(std::string items, std::string_view version = "0011") {
  std::string file = "REDIS" + std::string(version) + std::move(items) + '\xff';
  append_little(file, crc64(file), 8);
  return file;
}

struct Read {
  std::vector<Snapshot::Piece> pieces;
  Snapshot::LeftOut left_out;
  std::string error;  // "": read to its end
};

Read read_all(std::string bytes, size_t piece_bytes = Snapshot::kPieceBytes) {
  Read read;
  if (bytes.empty()) return read;
  const File file = file_of(bytes);
  Snapshot snapshot(file.get(), piece_bytes);
  for (;;) {
    const auto next = snapshot.next();
    if (!next) {
      read.error = next.error().message;
      break;
    }
    if (*next == nullptr) break;
    read.pieces.push_back(**next);
  }
  read.left_out = snapshot.left_out();
  return read;
}

template <class T>
T value_of(const Snapshot::Piece& piece) {
  const Decoded decoded = decode(piece.payload);
  REQUIRE(std::holds_alternative<Value>(decoded));
  return std::get<T>(std::get<Value>(decoded));
}

// Something of most items that there are.
std::string many_items() {
  ListpackWriter members;
  members.append("a");
  members.append(int64_t{7});
  const std::string stream_of_7_0 = text("0123456789abcdef") + text("listpack") +
                                    "\x01\x05\x06\x05\x06\x00\x00\x01"s +  // length, ids, added
                                    "\x01"s + text("group") + "\x05\x06\x01"s + "\x01"s +
                                    std::string(24, 'p') + "\x03"s +  // pending
                                    "\x01"s + text("reader") + std::string(8, 't') + "\x01"s +
                                    std::string(16, 'p');
  return "\xfa"s + text("redis-ver") + text("7.2.0") + "\xfe\x02\xfb\x05\x01"s +
         "\xfd\x00\x00\x00\x7f\xf8\x40\x80\x00"s + text("s") + "\xc1\x2c\x01"s +  // 300, idle 128 s
         "\xfc\x01\x00\x00\x00\x00\x01\x00\x00\xf9\xff\x14"s + text("set") +
         text(std::move(members).finish()) + "\x13"s + text("x") + "\x01"s + stream_of_7_0 +
         "\x07"s + text("m") + "\x81\0\0\0\0\0\0\0\x05\x02\x09\x05"s + text("v") + "\x03" + "ffff" +
         "\x00"s + "\xf7\x01\x02\x02\x00"s + "\xf5" + text("code") + "\xf4\x01\x02\x03"s + "\x03"s +
         text("z") + "\x02" + text("one") +
         "\x03"
         "1.5" +
         text("two") + "\xfe"s;
}

TEST_CASE("snapshot: keys come with all that is said of them, the rest is counted") {
  const Read read = read_all(closed(many_items()));
  REQUIRE(read.error == "");
  REQUIRE(read.pieces.size() == 3);
  const auto& [s, set, z] = std::tie(read.pieces[0], read.pieces[1], read.pieces[2]);
  CHECK(s.db == 2);
  CHECK(s.key == "s");
  CHECK(s.expiry_ms == int64_t{0x7f000000} * 1000);
  CHECK(s.idle_s == 128);
  CHECK(!s.frequency);
  CHECK(value_of<String>(s).bytes == "300");
  CHECK(set.expiry_ms == (int64_t{1} << 40) + 1);
  CHECK(set.frequency == 255);
  CHECK(value_of<Set>(set).members == std::vector<std::string>{"a", "7"});
  CHECK(!z.expiry_ms);
  CHECK(value_of<SortedSet>(z).members.front() == std::pair("one"s, 1.5));
  for (const auto& piece : read.pieces) CHECK((piece.is_first && piece.is_last));
  CHECK(read.left_out.streams == 1);
  CHECK(read.left_out.module_values == 1);
  CHECK(read.left_out.module_records == 1);
  CHECK(read.left_out.functions == 1);
}

TEST_CASE("snapshot: a collection comes in pieces that are collections") {
  std::string items = "\x01" + text("list") + "\x40\x64"s;
  std::vector<std::string> elements;
  for (int i = 0; i < 100; ++i) items += text(elements.emplace_back(std::to_string(i) + "x"));
  items += "\x00"s + text("behind") + text("v");
  const Read read = read_all(closed(items), 50);
  REQUIRE(read.error == "");
  std::vector<std::string> together;
  for (size_t i = 0; i + 1 < read.pieces.size(); ++i) {
    const Snapshot::Piece& piece = read.pieces[i];
    CHECK(piece.key == "list");
    CHECK(piece.is_first == (i == 0));
    CHECK(piece.is_last == (i + 2 == read.pieces.size()));
    for (const std::string& element : value_of<List>(piece).elements) together.push_back(element);
  }
  CHECK(read.pieces.size() > 5);
  CHECK(together == elements);
  CHECK(read.pieces.back().key == "behind");
}

TEST_CASE("snapshot: a file that ends anywhere else, or is changed, is an error") {
  const std::string whole = closed(many_items());
  for (size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(read_all(whole.substr(0, size), 8).error != "");
  }
  // Behind the version, as an older one has no checksum.
  for (size_t bit = 8 * 9; bit < 8 * whole.size(); ++bit) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    CAPTURE(bit);
    CHECK(read_all(changed, 8).error != "");
  }
  CHECK(read_all(closed(many_items(), "001x")).error.find("not a snapshot") != std::string::npos);
  CHECK(read_all(closed(many_items(), "0013")).error.find("version 13") != std::string::npos);
  CHECK(read_all(closed("\x18" + text("k"))).error.find("unknown type") != std::string::npos);
}

TEST_CASE("snapshot: one without a checksum, or from before there was one, is read") {
  std::string file = "REDIS0010\xff" + std::string(8, '\0');
  CHECK(read_all(file).error == "");
  CHECK(read_all("REDIS0003\xff").error == "");
}

}  // namespace
}  // namespace respcask::server::rdb
