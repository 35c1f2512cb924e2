// Forged streams: each is a sound payload with one thing wrong.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/rdb/decode.h"
#include "server/rdb/encode.h"
#include "server/rdb/listpack.h"
#include "server/rdb/writer.h"

namespace respcask::server::rdb {
namespace {

using Elements = std::vector<std::string>;

// The parts of a payload of type 19, to be changed one at a time.
struct Forged {
  std::vector<std::pair<std::string, Elements>> nodes = {
      {raw_id_bytes({1, 0}), {"2", "1", "1", "f",    "0",  //
                              "2", "0", "0", "v",    "4",  //
                              "3", "1", "0", "gone", "4",  //
                              "0", "2", "0", "1",    "g", "w", "6"}}};
  uint64_t length = 2;
  StreamId last_id = {3, 0};
  std::vector<std::string> group_names = {"g"};
  uint64_t entries_read = 1;
  std::vector<StreamId> group_pending = {{1, 0}, {3, 0}};
  std::vector<std::string> consumer_names = {"a", "b"};
  std::vector<std::vector<StreamId>> consumer_pending = {{{1, 0}}, {{3, 0}}};

  Decoded decode() const {
    Writer writer(false);
    writer.type(Type::kStreamListpacks2);
    writer.length(nodes.size());
    for (const auto& [id, elements] : nodes) {
      ListpackWriter listpack;
      for (const std::string& element : elements) listpack.append(std::string_view(element));
      writer.string(id);
      writer.string(std::move(listpack).finish());
    }
    writer.length(length);
    for (const StreamId id : {last_id, StreamId{1, 0}, StreamId{2, 0}}) writer.id(id);
    writer.length(3);
    writer.length(group_names.size());
    for (const std::string& name : group_names) write_group(writer, name);
    return rdb::decode(std::move(writer).finish());
  }

  bool accepted() const { return std::holds_alternative<Value>(decode()); }

 private:
  void write_group(Writer& writer, const std::string& name) const {
    writer.string(name);
    writer.id(last_id);
    writer.length(entries_read);
    writer.length(group_pending.size());
    for (const StreamId id : group_pending) {
      writer.raw_id(id);
      writer.time_ms(1000);
      writer.length(1);
    }
    writer.length(consumer_names.size());
    for (size_t i = 0; i < consumer_names.size(); ++i) {
      writer.string(consumer_names[i]);
      writer.time_ms(1000);
      writer.length(consumer_pending[i].size());
      for (const StreamId id : consumer_pending[i]) writer.raw_id(id);
    }
  }
};

// A sound stream whose node's element `at` is `element` instead.
Forged with_element(size_t at, const std::string& element) {
  Forged forged;
  forged.nodes[0].second[at] = element;
  return forged;
}

TEST_CASE("the stream that the forgeries start from is sound") {
  const Decoded decoded = Forged{}.decode();
  REQUIRE(std::holds_alternative<Value>(decoded));
  const Stream& stream = std::get<Stream>(std::get<Value>(decoded));
  CHECK(
      (stream.entries == std::vector<StreamEntry>{{{1, 0}, {{"f", "v"}}}, {{3, 0}, {{"g", "w"}}}}));
}

TEST_CASE("a stream node that contradicts itself is refused") {
  CHECK(!with_element(0, "1").accepted());  // live entries
  CHECK(!with_element(0, "-1").accepted());
  CHECK(!with_element(0, "two").accepted());
  CHECK(!with_element(1, "0").accepted());  // deleted entries
  CHECK(!with_element(2, "2").accepted());  // master's fields
  CHECK(!with_element(2, "9223372036854775807").accepted());
  CHECK(!with_element(4, "1").accepted());   // terminator
  CHECK(!with_element(5, "x").accepted());   // flags
  CHECK(!with_element(6, "x").accepted());   // ms
  CHECK(!with_element(9, "5").accepted());   // elements of the entry
  CHECK(!with_element(18, "2").accepted());  // fields of the entry
  CHECK(!with_element(18, "-1").accepted());
  Forged more;
  more.nodes[0].second.push_back("0");
  CHECK(!more.accepted());
  Forged fewer;
  fewer.nodes[0].second.pop_back();
  CHECK(!fewer.accepted());
  Forged empty;
  empty.nodes[0].second.clear();
  CHECK(!empty.accepted());
}

TEST_CASE("entries out of order, at 0-0 or after the last ID are refused") {
  CHECK(!with_element(16, "0").accepted());   // the same ID again
  CHECK(!with_element(16, "-1").accepted());  // before
  Forged zero = with_element(6, "-1");
  CHECK(!zero.accepted());
  Forged last;
  last.last_id = {2, 0};
  CHECK(!last.accepted());
  Forged twice;
  twice.nodes.push_back(twice.nodes[0]);
  twice.length = 4;
  CHECK(!twice.accepted());
}

TEST_CASE("a stream's length must be the number of its entries") {
  for (const uint64_t length : {0, 1, 3}) {
    Forged forged;
    forged.length = length;
    CHECK(!forged.accepted());
  }
}

TEST_CASE("a node's ID must be 16 bytes") {
  for (const size_t size : {0, 15, 17}) {
    Forged forged;
    forged.nodes[0].first.resize(size, 'x');
    CHECK(!forged.accepted());
  }
}

TEST_CASE("groups and consumers must have names of their own") {
  Forged groups;
  groups.group_names = {"g", "g"};
  CHECK(!groups.accepted());
  groups.group_names = {"g", "h"};
  CHECK(groups.accepted());
  Forged consumers;
  consumers.consumer_names = {"a", "a"};
  CHECK(!consumers.accepted());
}

TEST_CASE("each pending entry belongs to one consumer") {
  Forged nobody;
  nobody.consumer_pending[1].clear();
  CHECK(!nobody.accepted());
  Forged both;
  both.consumer_pending[1].push_back({1, 0});
  CHECK(!both.accepted());
  Forged unknown;
  unknown.consumer_pending[1][0] = {2, 0};
  CHECK(!unknown.accepted());
  Forged twice;
  twice.group_pending.push_back({3, 0});
  twice.consumer_pending[1].push_back({3, 0});
  CHECK(!twice.accepted());
}

TEST_CASE("a group's count of entries read is a number or not known") {
  Forged forged;
  forged.entries_read = std::numeric_limits<uint64_t>::max();
  CHECK(forged.accepted());
  forged.entries_read = uint64_t{1} << 63;
  CHECK(!forged.accepted());
}

}  // namespace
}  // namespace respcask::server::rdb
