// Members: what hashes and sets have in common: names that are there once, packed or split.
//
// A hash or set is packed while its encoding takes at most kMaxPackedBytes: field, value, field,
// value, ... or member, member, ... (packed.h). Past that it is split, and stays so until it is
// replaced:
//
//   root     header of one byte: 1, the format of the elements as in member_index.h
//   element  one for each field or member
//
// The order, packed or split, is Redis's wherever Redis has one: a hash that it would keep as a
// listpack (its tag says Encoding::kCompact) is in the order of the fields' first HSET, a set that
// it would keep as an intset in ascending order of the numbers. Elsewhere it is any, and stays the
// same until the next change.
//
// Nothing here owns memory beyond a call. Views are valid until the handler returns or changes a
// key of the same shard. For handlers, on their thread: the keys' shards are locked, and the rule
// of Context holds: whoever reads checks ready() before he changes anything.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/function_ref.h"
#include "engine/keydir_entry.h"
#include "server/context.h"
#include "server/types/member_index.h"
#include "server/types/packed.h"
#include "server/types/type.h"

namespace respcask::server {

// The largest encoding that is kept packed. A change rewrites it, which for half of this on average
// takes less than a microsecond, and a split collection costs some 300 bytes of memory and 16 more
// for each element.
inline constexpr uint64_t kMaxPackedBytes = 2048;

// Written with a split root.
inline constexpr std::string_view kMembersHeader("\x01", 1);

class Members {
 public:
  struct Member {
    std::string_view name;
    std::string_view value;  // where the hash is packed; ...
    engine::Location where;  // ... and where it is split, see Members::value()
    uint32_t value_size = 0;

    // Nothing is read.
    uint64_t value_bytes() const { return value.empty() ? value_size : value.size(); }
  };
  using Visitor = engine::FunctionRef<void(const Member&)>;

  // `entry` is that of a hash or a set. Reads it if it is packed: whoever uses what follows checks
  // ready() before.
  Members(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

  const KeyRef& key() const { return key_; }
  uint64_t size() const;
  std::optional<Member> find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name).has_value(); }

  // A value's bytes; read now where the hash is split: check ready().
  std::string_view value(const Member& member) const;

  // All in order.
  void for_each(Visitor visit) const;
  std::vector<Member> all() const;
  // One at random. There must be one.
  Member random(uint64_t random_bits) const;

  // A step of a scan that looks at about `count` members: returns the next cursor, 0 at the end.
  // Who begins at 0 and goes on until 0 has seen all that were there all the time.
  uint64_t scan(uint64_t cursor, uint64_t count, Visitor visit) const;

  bool is_split() const { return index_ != nullptr; }
  // A set of numbers, in ascending order.
  bool is_intset() const {
    return tag_.type() == Type::kSet && tag_.encoding() == Encoding::kCompact;
  }
  // The former is of a packed one, the latter of a split one only.
  const Packed& packed() const { return packed_; }
  MemberIndex& index() const { return *index_; }
  // Elements of `packed` that make one member.
  size_t stride() const { return stride_; }

 private:
  std::vector<Member> all_in_any_order() const;

  Context& c_;
  const KeyRef& key_;
  TypeTag tag_;
  size_t stride_;
  Packed packed_;
  MemberIndex* index_ = nullptr;  // null: packed
};

// A member to be written. A set's has no value.
struct NewMember {
  std::string_view name;
  std::string_view value;
};

// Makes these, in their order, what the key holds, whatever it held; their values are ready. No
// name appears twice, and there is at least one, unless it is to be split and more are to follow at
// once by put_member(). Reserves the space, and `more_bytes` beside it.
// Nothing, with nothing changed and the error replied, if there is no room; else the key's entry.
enum class Form : uint8_t { kAsSizeSays, kSplit };
std::optional<engine::KeydirEntry> put_members(Context& c, const KeyRef& key, TypeTag tag,
                                               int64_t expiry_ms,
                                               std::span<const NewMember> members,
                                               Form form = Form::kAsSizeSays,
                                               uint64_t more_bytes = 0);

// The index of a split hash or set.
MemberIndex& member_index(engine::Shard& shard, const engine::KeydirEntry& root);

// Writes one element of a split collection and says whether it is new. The caller has reserved, and
// reports the change (Context::modified).
bool put_member(engine::Shard& shard, const engine::KeydirEntry& root, uint32_t ordinal,
                const NewMember& member);
// Bytes to reserve for put_member().
uint64_t put_member_bound(const NewMember& member);

// Copies a split hash or set, as ObjectType::copy_split().
bool copy_members(Context& c, const KeyRef& from, const engine::KeydirEntry& entry,
                  const KeyRef& to, int64_t expiry_ms);

// The members before anything is changed, values read, for put_members(); check ready().
std::vector<NewMember> members_to_write(const Members& members);

// Removes what is there of `names`, and the key if nothing is left, and reports the change but does
// not notify. Nothing, with nothing changed, if it was not ready or there was no room (then the
// error is replied): return.
struct Removed {
  uint64_t count = 0;
  bool emptied = false;
};
std::optional<Removed> remove_members(Context& c, const KeyRef& key,
                                      const engine::KeydirEntry& entry,
                                      std::span<const std::string_view> names);

// The order of two texts that are canonical 64-bit integers, as numbers.
bool integer_text_less(std::string_view a, std::string_view b);

}  // namespace respcask::server
