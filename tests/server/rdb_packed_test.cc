// The readers of packed blobs (listpack, ziplist, intset, zipmap) on blobs made by hand, and the
// listpack's writer.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "server/rdb/intset.h"
#include "server/rdb/listpack.h"
#include "server/rdb/ziplist.h"
#include "server/rdb/zipmap.h"

namespace respcask::server::rdb {
namespace {

using namespace std::string_literals;
using Texts = std::optional<std::vector<std::string>>;

template <class PackedReader>
Texts read_all(std::string_view blob) {
  PackedReader reader(blob);
  std::vector<std::string> out;
  Element element;
  for (;;) {
    const Step step = reader.next(element);
    if (step == Step::kEnd) return out;
    if (step == Step::kDamaged) return std::nullopt;
    out.push_back(element.to_string());
  }
}

std::string listpack_of(const std::vector<std::string>& texts) {
  ListpackWriter writer;
  for (const std::string& text : texts) writer.append(std::string_view(text));
  const size_t size = writer.size();
  std::string blob = std::move(writer).finish();
  CHECK(blob.size() == size);
  return blob;
}

TEST_CASE("a listpack gives back every size of string and integer") {
  std::vector<std::string> texts;
  for (int64_t power = 1; power < int64_t{1} << 62; power *= 2) {
    for (const int64_t number : {power - 1, power, -power, -power - 1}) {
      texts.push_back(std::to_string(number));
    }
  }
  texts.push_back(std::to_string(std::numeric_limits<int64_t>::max()));
  texts.push_back(std::to_string(std::numeric_limits<int64_t>::min()));
  // Around each change of a length's and of a back-length's form.
  for (const size_t edge : {0, 63, 64, 125, 126, 127, 128, 4095, 4096, 16377, 16378, 16379, 16384,
                            2097145, 2097146, 2097147}) {
    texts.push_back(std::string(edge, 'x'));
  }
  CHECK((read_all<ListpackReader>(listpack_of(texts)) == texts));
}

TEST_CASE("a listpack holds more elements than its header counts") {
  for (const size_t count : {size_t{65534}, size_t{65535}, size_t{65536}}) {
    const std::vector<std::string> texts(count, "1");
    const std::string blob = listpack_of(texts);
    CHECK((read_all<ListpackReader>(blob) == texts));
    CHECK((blob.substr(4, 2) == "\xff\xff"s) == (count >= 65535));
  }
}

TEST_CASE("a damaged listpack is refused") {
  const std::string good =
      "\x0a\0\0\0\x01\0\x81"s
      "a\x02\xff"s;
  REQUIRE((read_all<ListpackReader>(good) == Texts({"a"})));
  CHECK(!read_all<ListpackReader>(""));
  CHECK(
      !read_all<ListpackReader>("\x0b\0\0\0\x01\0\x81"s
                                "a\x02\xff"s));  // size
  CHECK(
      !read_all<ListpackReader>("\x0a\0\0\0\x02\0\x81"s
                                "a\x02\xff"s));  // count
  CHECK(
      !read_all<ListpackReader>("\x0a\0\0\0\x01\0\x81"s
                                "a\x03\xff"s));  // back-length
  CHECK(
      !read_all<ListpackReader>("\x0a\0\0\0\x01\0\x82"s
                                "a\x02\xff"s));  // string too long
  CHECK(
      !read_all<ListpackReader>("\x0a\0\0\0\x01\0\x81"s
                                "a\x02\xfe"s));  // no end
  CHECK(
      !read_all<ListpackReader>("\x0b\0\0\0\x01\0\x81"s
                                "a\x02\xff\xff"s));  // bytes after it
  CHECK(
      !read_all<ListpackReader>("\x0a\0\0\0\x01\0\xf5"s
                                "a\x02\xff"s));  // no such encoding
  CHECK(!read_all<ListpackReader>("\x0c\0\0\0\x01\0\xf0\xff\xff\xff\xff\xff"s));  // 4 GiB string
}

TEST_CASE("a damaged ziplist is refused") {
  const std::string good =
      "\x11\0\0\0\x0d\0\0\0\x02\0\0\x01"s
      "a\x03\xf2\xff"s;
  std::string exact = good;
  exact[0] = static_cast<char>(exact.size());
  REQUIRE((read_all<ZiplistReader>(exact) == Texts({"a", "1"})));
  // Any other header, first size or end mark is wrong.
  for (const size_t at : {size_t{0}, size_t{1}, size_t{4}, size_t{5}, size_t{8}, size_t{10},
                          size_t{13}, exact.size() - 1}) {
    std::string bad = exact;
    bad[at] = static_cast<char>(bad[at] + 1);
    CAPTURE(at);
    CHECK(!read_all<ZiplistReader>(bad));
  }
  for (size_t size = 0; size < exact.size(); ++size) {
    CHECK(!read_all<ZiplistReader>(exact.substr(0, size)));
  }
  CHECK(!read_all<ZiplistReader>(exact + '\xff'));
  for (const char encoding : {'\x81', '\xc1', '\xf1', '\xff'}) {
    std::string bad = exact;
    bad[11] = encoding;
    CHECK(!read_all<ZiplistReader>(bad));
  }
}

TEST_CASE("an intset reads what was written, at each width") {
  const int64_t min16 = std::numeric_limits<int16_t>::min();
  const int64_t min32 = std::numeric_limits<int32_t>::min();
  const int64_t min64 = std::numeric_limits<int64_t>::min();
  CHECK((read_all<IntsetReader>(write_intset({min16, 0, -min16 - 1})) ==
         Texts({"-32768", "0", "32767"})));
  CHECK(write_intset({min16, -min16 - 1}).size() == 8 + 2 * 2);
  CHECK(write_intset({min16 - 1}).size() == 8 + 4);
  CHECK(write_intset({-min16}).size() == 8 + 4);
  CHECK(write_intset({min32, -min32 - 1}).size() == 8 + 2 * 4);
  CHECK(write_intset({min32 - 1}).size() == 8 + 8);
  CHECK((read_all<IntsetReader>(write_intset({min64, -min32})) ==
         Texts({"-9223372036854775808", "2147483648"})));
}

TEST_CASE("a damaged intset is refused") {
  REQUIRE((read_all<IntsetReader>("\x02\0\0\0\x02\0\0\0\x01\0\x02\0"s) == Texts({"1", "2"})));
  CHECK(!read_all<IntsetReader>("\x03\0\0\0\x02\0\0\0\x01\0\x02\0"s));  // width
  CHECK(!read_all<IntsetReader>("\x02\0\0\0\x03\0\0\0\x01\0\x02\0"s));  // count
  CHECK(!read_all<IntsetReader>("\x02\0\0\0\x02\0\0\0\x02\0\x02\0"s));  // twice
  CHECK(!read_all<IntsetReader>("\x02\0\0\0\x02\0\0\0\x02\0\x01\0"s));  // falling
  CHECK(!read_all<IntsetReader>("\x02\0\0\0\0\0\0\0"s));                // empty
  CHECK(!read_all<IntsetReader>("\x02\0\0\0\x02\0\0"s));
}

TEST_CASE("a zipmap with unused bytes and long lengths is read") {
  const std::string field(300, 'f');
  const std::string blob =
      "\x02\x01"s
      "k\x01\x02"s
      "v##"s
      "\xfe\x2c\x01\0\0"s +
      field + "\0\0\xff"s;
  CHECK((read_all<ZipmapReader>(blob) == Texts({"k", "v", field, ""})));
}

TEST_CASE("a damaged zipmap is refused") {
  const std::string good =
      "\x01\x01"s
      "k\x01\0v\xff"s;
  REQUIRE((read_all<ZipmapReader>(good) == Texts({"k", "v"})));
  CHECK((read_all<ZipmapReader>("\xfe\x01"s
                                "k\x01\0v\xff"s) == Texts({"k", "v"})));  // count them
  CHECK(
      !read_all<ZipmapReader>("\x02\x01"s
                              "k\x01\0v\xff"s));  // count
  CHECK(!read_all<ZipmapReader>("\0\xff"s));      // empty
  CHECK(
      !read_all<ZipmapReader>("\x01\x01"s
                              "k\xff"s));  // no value
  CHECK(
      !read_all<ZipmapReader>("\x01\x01"s
                              "k\x01\x01v\xff"s));  // unused bytes
  CHECK(!read_all<ZipmapReader>(good + "\xff"));
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK(!read_all<ZipmapReader>(good.substr(0, size)));
  }
}

}  // namespace
}  // namespace respcask::server::rdb
