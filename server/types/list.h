// Lists: how they are kept, read and changed.
//
// A list is packed (packed.h; the root's value is all elements, head first) while that takes at
// most kPackedListBytes, else split into a record for each element (list_index.h). What is split
// stays so until the key goes. An empty list is no key.
//
// Nothing here owns memory beyond a call. Views are valid until the handler returns. For handlers,
// on their thread: the keys' shards are locked, and the rule of Context holds: whoever reads checks
// ready() before he changes anything, and before he believes what he read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/function_ref.h"
#include "engine/keydir_entry.h"
#include "server/context.h"
#include "server/types/list_index.h"
#include "server/types/packed.h"
#include "server/types/type.h"

namespace respcask::server {

// The longest packed list, in bytes of its encoding. A change of a packed list writes all of it.
inline constexpr size_t kPackedListBytes = 2048;

enum class ListEnd : uint8_t { kHead, kTail };

// Reads a list. The constructor reads a packed one whole; if that was not ready the list seems to
// be empty.
class ListReader {
 public:
  ListReader(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

  uint64_t length() const { return index_ != nullptr ? index_->size() : packed_.count(); }

  // The element of this rank, counted from the head from 0, below length(). Empty if not ready.
  std::string_view at(uint64_t rank);

  using Visit = engine::FunctionRef<bool(std::string_view)>;
  // Calls `visit` with the elements of ranks [begin, end), at most length(), from head to tail or,
  // backward, from tail to head, until it returns false. Once an element is not ready, nothing more
  // is visited and the rest is requested, so that it is fetched together; with kMayStop only as
  // much again as has been visited, and some hundreds, since `visit` may want no more.
  enum class Extent : uint8_t { kAll, kMayStop };
  void visit_forward(uint64_t begin, uint64_t end, Extent extent, Visit visit);
  void visit_backward(uint64_t begin, uint64_t end, Extent extent, Visit visit);

  using Match = engine::FunctionRef<bool(uint64_t rank)>;
  // Calls `match` with the rank of each element of [begin, end) that equals `value`, in either
  // direction, until it returns false. Of a split list only elements of that size are read; for
  // what is not ready the same holds as above.
  void find_forward(uint64_t begin, uint64_t end, std::string_view value, Extent extent,
                    Match match);
  void find_backward(uint64_t begin, uint64_t end, std::string_view value, Extent extent,
                     Match match);

 private:
  friend class ListEdit;
  template <class Step>
  void find_split(ListIndex::Cursor cursor, uint64_t count, std::string_view value, Extent extent,
                  engine::FunctionRef<bool(uint64_t)> match, Step step);
  template <class Step>
  void visit_split(uint64_t from, uint64_t count, Extent extent, Visit visit, Step step);
  std::string_view read(engine::Shard& shard, const ListIndex::Element& element);

  Context& c_;
  const KeyRef& key_;
  const ListIndex* index_ = nullptr;  // null: packed
  Packed packed_;
};

// Changes a list. A key that is not there is an empty list, and one that becomes empty is removed;
// the expiry stays. Usage: c.ready() after the constructor and whatever else is read, then changes.
// They return false, with nothing changed and the error replied, if there is no room: return. What
// the reader says holds until the first change, and views that it gave may be handed back in.
class ListEdit {
 public:
  ListEdit(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry);

  uint64_t length() const { return length_; }
  ListReader& reader() { return *reader_; }  // there only if the key is

  // Bytes to reserve for a change that adds these values; for erasing, of none.
  uint64_t bound(std::span<const std::string_view> values) const;

  // Pushes the values one after the other.
  bool push(ListEnd end, std::span<const std::string_view> values);
  // Puts a value in front of the element of this rank, or, with length(), at the tail. Positions
  // may have to be made for it, so its neighbours are read; call prepare_insert() before ready().
  void prepare_insert(uint64_t rank);
  bool insert(uint64_t rank, std::string_view value);
  // Replaces the element of this rank.
  bool set(uint64_t rank, std::string_view value);
  // Takes out the elements of ranks [begin, end), not empty. The dispatcher's reserve suffices.
  void erase(uint64_t begin, uint64_t end);
  // Leaves only the elements of ranks [begin, end), which may be none.
  void trim(uint64_t begin, uint64_t end);
  // Takes out the elements with these ranks, ascending and not empty.
  bool erase_ranks(std::span<const uint64_t> ranks);
  // Moves the element at one end to the other or, with the same end, leaves it where it is.
  bool rotate(ListEnd from, ListEnd to);

 private:
  bool split() const { return reader_ && reader_->index_ != nullptr; }
  ListIndex& index();
  void write_packed(PackedWriter& writer);
  // Makes the list, which is packed or not there, one of new elements in place of [begin, end).
  void replace_packed(uint64_t begin, uint64_t end, std::span<const std::string_view> values);
  void make_split();
  engine::ElementLocation put_element(ListIndex::Position position, std::string_view value);
  void append(ListIndex& to, std::string_view value);
  bool insert_spread(uint64_t rank, std::string_view value);
  void erase_split(uint64_t begin, uint64_t end);

  Context& c_;
  const KeyRef& key_;
  std::optional<engine::KeydirEntry> entry_;
  std::optional<ListReader> reader_;
  uint64_t length_ = 0;
};

// Makes the values what the key holds, whatever it held; they are not empty. The caller has
// reserved put_list_bound().
void put_list(Context& c, const KeyRef& key, int64_t expiry_ms,
              std::span<const std::string_view> values);
uint64_t put_list_bound(const KeyRef& key, std::span<const std::string_view> values);

}  // namespace respcask::server
