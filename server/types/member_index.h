// MemberIndex: the element index of split hashes and sets: field or member -> where its record
// lies.
//
//     element   name     ordinal    varint
//                        member     the rest: a hash's field, a set's member
//               payload  a hash's value; of a set nothing
//
// The member alone identifies the element. The ordinal is for hashes that Redis would keep as a
// listpack, in which the order of fields is that of their first HSET: they sort by it. It is 0
// where order means nothing, and in tombstones.
//
// The table is a keydir (engine/keydir.h), whose access word holds the ordinal and whose type is
// unused. So it grows and shrinks page by page, a scan's cursor stays good whatever is put and
// removed, and a member costs 16 bytes beside its own. Where members have been found they stay
// until the index is changed.
//
// Owned by its shard and called under the shard's lock (engine/element_index.h). Members are hashed
// under one seed for all indexes, drawn when the process starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/element_index.h"
#include "engine/function_ref.h"
#include "engine/keydir.h"
#include "server/types/type.h"

namespace respcask::server {

class MemberIndex final : public engine::ElementIndex {
 public:
  static constexpr uint32_t kMaxOrdinal = engine::KeydirEntry::kMaxAccess;

  // An element's name, as it is written.
  class Name {
   public:
    Name(uint32_t ordinal, std::string_view member);
    std::string_view view() const { return bytes_; }

   private:
    std::string bytes_;
  };

  struct Member {
    engine::Location where;
    uint32_t value_size = 0;
    uint32_t ordinal = 0;
  };
  using Visitor = engine::FunctionRef<void(std::string_view member, const Member&)>;

  MemberIndex();

  uint64_t size() const { return table_.size(); }
  // Greater than any so far; at most kMaxOrdinal + 1, which is none any more.
  uint32_t next_ordinal() const { return next_ordinal_; }

  std::optional<Member> find(std::string_view member) const;
  // For prefetch().
  uint64_t hash_member(std::string_view member) const { return table_.hash(member); }
  // Enters a member; returns what it replaces.
  std::optional<engine::ElementLocation> put(std::string_view member, const Member& at);
  // Takes a member out; nothing if it was not there.
  std::optional<engine::ElementLocation> remove(std::string_view member);

  // Visits some of the members, as Keydir::scan: from cursor 0 until 0 comes back, all that stayed.
  uint64_t scan(uint64_t cursor, Visitor visit) const;
  void for_each_member(Visitor visit) const;
  // One at random, near-uniformly. There must be one.
  std::pair<std::string_view, Member> random(uint64_t random_bits) const;

  std::optional<engine::ElementLocation> recover_put(std::string_view name, engine::Location where,
                                                     uint32_t value_size) override;
  std::optional<engine::ElementLocation> recover_remove(std::string_view name) override;
  bool is_live(std::string_view name, engine::Location where) const override;
  bool contains(std::string_view name) const override;
  uint64_t hash(std::string_view name) const override;
  void prefetch(uint64_t hash, int step) const override;
  bool relocate(std::string_view name, engine::Location from, engine::Location to) override;
  void for_each(const std::function<void(const engine::ElementLocation&)>& visit) const override;
  bool lacks_elements() const override { return size() == 0; }
  bool serves(uint8_t type) const override {
    return TypeTag{type}.type() == Type::kSet || TypeTag{type}.type() == Type::kHash;
  }
  size_t memory_bytes() const override;

 private:
  engine::Keydir table_;
  uint32_t next_ordinal_ = 1;
};

}  // namespace respcask::server
