#include "server/types/name_table.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using respcask::server::NameTable;

TEST_CASE("name table: a name is there once, and only those that came are there") {
  for (const uint64_t most : {0, 1, 2, 3, 5, 100, 1000}) {
    std::vector<std::string> names;
    for (uint64_t i = 0; i < most; ++i) names.push_back(std::to_string(i * i));
    NameTable table(most);
    for (const std::string& name : names) CHECK_FALSE(table.contains(name));
    for (const std::string& name : names) CHECK(table.insert(name));
    for (const std::string& name : names) {
      CHECK_FALSE(table.insert(name));
      CHECK(table.contains(name));
      CHECK_FALSE(table.contains(name + "x"));
    }
    CHECK_FALSE(table.contains(""));
  }
}

TEST_CASE("name table: what is taken out is gone, and all else is still found") {
  for (const uint64_t most : {1, 2, 3, 5, 100, 1000}) {
    std::vector<std::string> names;
    for (uint64_t i = 0; i < most; ++i) names.push_back(std::to_string(i * i));
    NameTable table(most);
    for (const std::string& name : names) table.insert(name);
    CHECK(table.size() == most);
    CHECK_FALSE(table.remove("none"));
    CHECK_FALSE(table.remove(""));
    for (uint64_t i = 0; i < most; i += 2) {
      CHECK(table.remove(names[i]));
      CHECK_FALSE(table.remove(names[i]));
    }
    CHECK(table.size() == most / 2);
    for (uint64_t i = 0; i < most; ++i) CHECK(table.contains(names[i]) == (i % 2 == 1));
  }
}

TEST_CASE("name table: it grows past the number that it was made for, without what was taken out") {
  for (const uint64_t first : {0, 1, 3, 100}) {
    CAPTURE(first);
    std::vector<std::string> names;
    for (uint64_t i = 0; i < 5000; ++i) names.push_back(std::to_string(i * i));
    NameTable table(first);
    for (uint64_t i = 0; i < names.size(); ++i) {
      CHECK(table.insert(names[i]));
      CHECK_FALSE(table.insert(names[i / 2 * 2]));
      if (i % 2 == 1) CHECK(table.remove(names[i]));
    }
    CHECK(table.size() == names.size() / 2);
    for (uint64_t i = 0; i < names.size(); ++i) CHECK(table.contains(names[i]) == (i % 2 == 0));
    CHECK_FALSE(table.contains(""));
  }
}

TEST_CASE("name table: the empty name is a name, wherever it lies") {
  NameTable table(2);
  CHECK_FALSE(table.contains(std::string_view()));
  CHECK(table.insert(std::string_view()));
  CHECK(table.contains(std::string()));
  CHECK_FALSE(table.insert(""));
  CHECK(table.insert("a"));
}
