// Directory: a directory on the real disk for one test, gone with everything in it afterwards.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace respcask::engine {

struct Directory {
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "respcask-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  std::filesystem::path path;
};

}  // namespace respcask::engine
