#include "server/types/packed.h"

#include <doctest/doctest.h>

#include <iterator>
#include <string>
#include <string_view>
#include <vector>

using respcask::server::Packed;
using respcask::server::PackedWriter;

namespace {

std::string joined(PackedWriter& writer) {
  const auto pieces = writer.pieces();
  std::string bytes(pieces[0]);
  bytes += pieces[1];
  return bytes;
}

std::vector<std::string> elements(const std::string& bytes) {
  const Packed packed(bytes);
  return {packed.begin(), packed.end()};
}

std::string packed_of(const std::vector<std::string>& values) {
  PackedWriter writer;
  for (const std::string& value : values) writer.append(value);
  return joined(writer);
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("packed: the encoding is a count, then sizes and bytes") {
  CHECK(packed_of({}) == std::string("\0", 1));
  CHECK(packed_of({"ab", "", "c"}) == std::string("\3\2ab\0\1c", 7));
  const std::string longer(300, 'x');
  CHECK(packed_of({longer}) == "\1\xac\2" + longer);
}

TEST_CASE("packed: elements come back in order, whatever their bytes") {
  Strings values;
  for (size_t i = 0; i < 300; ++i) values.push_back(std::string(i * 7 % 291, static_cast<char>(i)));
  const std::string bytes = packed_of(values);
  CHECK(elements(bytes) == values);
  const Packed packed(bytes);
  CHECK(packed.count() == 300);
  CHECK(packed.size_bytes() == bytes.size());
  CHECK(std::next(packed.begin(), 299)->size() == 299 * 7 % 291);
  CHECK(std::next(packed.begin(), 300) == packed.end());
}

TEST_CASE("packed: none and a default one are empty") {
  CHECK(Packed().empty());
  CHECK(Packed().begin() == Packed().end());
  const std::string none = packed_of({});
  CHECK(Packed(none).empty());
  CHECK(Packed(none).begin() == Packed(none).end());
}

TEST_CASE("packed: a writer puts runs of old elements and new ones together") {
  const std::string bytes = packed_of({"a", "bb", "", "dddd"});
  const Packed old(bytes);
  const auto at = [&](int i) { return std::next(old.begin(), i); };

  PackedWriter replaced;
  replaced.append_run(old.begin(), at(1));
  replaced.append("new");
  replaced.append_run(at(2), old.end());
  CHECK(replaced.count() == 4);
  CHECK(joined(replaced).size() == replaced.size_bytes());
  CHECK(elements(joined(replaced)) == Strings{"a", "new", "", "dddd"});

  PackedWriter erased;
  erased.append_run(old.begin(), at(3));
  erased.append_run(at(4), old.end());
  CHECK(elements(joined(erased)) == Strings{"a", "bb", ""});

  PackedWriter grown;
  grown.append("front");
  grown.append_run(old.begin(), old.end());
  grown.append("back");
  CHECK(elements(joined(grown)) == Strings{"front", "a", "bb", "", "dddd", "back"});

  PackedWriter nothing;
  nothing.append_run(at(2), at(2));
  nothing.append_run(Packed().begin(), Packed().end());
  CHECK(nothing.count() == 0);
}

TEST_CASE("packed: the count's own size is counted") {
  PackedWriter writer;
  for (int i = 0; i < 127; ++i) writer.append("");
  CHECK(writer.size_bytes() == 128);
  writer.append("");
  CHECK(writer.size_bytes() == 130);
  CHECK(joined(writer).size() == 130);
  CHECK(PackedWriter::element_bytes(127) == 128);
  CHECK(PackedWriter::element_bytes(128) == 130);
}
