// NameTable: distinct names, for commands that ask again and again whether a name is among many.
//
// A flat hash table: open addressing, at most three in four slots in use. It is made for a number
// of names and doubles where more come. Clients choose the names, so the hash is a seeded one
// (engine/hash.h). It holds views: the names have to live on elsewhere. It owns its slots. One
// thread at a time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace respcask::server {

class NameTable {
 public:
  // Takes 21 to 43 bytes for each of `expected` names.
  explicit NameTable(uint64_t expected);

  // Whether it is new.
  bool insert(std::string_view name);
  bool contains(std::string_view name) const;
  // Whether it was there. Its slot is not used again.
  bool remove(std::string_view name);
  uint64_t size() const { return size_; }

 private:
  // Where the name is, or the empty slot where it belongs.
  uint64_t place(std::string_view name) const;
  // Makes room for more, and leaves out what was removed.
  void grow();

  std::vector<std::string_view> slots_;  // a power of two of them; empty: data() is null
  uint64_t room_;                        // slots that may still be taken before it grows
  uint64_t size_ = 0;
};

}  // namespace respcask::server
