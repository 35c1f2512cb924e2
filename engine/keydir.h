// Keydir: from a key to where its value lies. The product's main cost, hence built for bytes.
//
// One Keydir serves one database of one shard, or one collection of elements whose names are its
// keys. It owns its memory. It has no lock: it is used under its shard's lock, by one thread at a
// time; const functions may run together.
//
// THE TABLE is a linear hash table (W. Litwin, "Linear hashing: a new tool for file and table
// addressing", VLDB 1980) whose buckets are pages: heap blocks of some 20 to 90 entries. A new page
// is split off when there are more than kGrowAbove keys a page on average, and one is joined to its
// sibling when there are fewer than kShrinkBelow; each insertion or removal does at most one such
// step. So no operation pays for more than two pages, and memory never doubles.
//
// With n pages, and 2^L the largest power of two that is not above n, a key's page is
//
//     r = the hash, its bits in reverse
//     r mod 2^(L+1)   if there is such a page, otherwise   r mod 2^L.
//
// Because the bits are reversed, a page's number is a *prefix* of the hashes in it, and a split by
// one more bit cuts its range of hashes in two halves. Every page therefore holds one contiguous
// range of hash space, and the pages partition that space whatever n is:
//
//     hash space, n = 5    0 |--0--|--4--|-----2-----|-----1-----|-----3-----| 2^64
//     prefix of the hash       000   001       01          10          11
//
// THE SCAN cursor is a position in hash space, not a page number. Everything below it has been
// visited. A step visits the page around the cursor and moves the cursor to the end of that page's
// range. Pages split and join in between, but a key's hash never changes, so a key that stays is
// never skipped; it may be seen twice if pages were joined. Prefixes are at most 33 bits long, so
// the low 20 bits of a cursor are always 0, and are the caller's to use.
//
// EXPIRY is indexed by page, not by key: expiry_index.h. THE PAGE's layout is in keydir_page.h, and
// how pages find memory without leaving holes in compact_heap.h.
//
// What a key costs beyond its bytes, if its value takes up to 255: 12 bytes of entry, 2 in the
// page's arrays, 2 for the page, its place in the directory and what is unused in it. An expiry
// costs 8 more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/compact_heap.h"
#include "engine/expiry_index.h"
#include "engine/function_ref.h"
#include "engine/hash.h"
#include "engine/keydir_entry.h"
#include "engine/keydir_pages.h"

namespace respcask::engine {

class Keydir {
 public:
  using Visitor = FunctionRef<void(std::string_view key, const KeydirEntry&)>;

  // `kind`: where the pages lie; kMalloc for a table that will hardly be large.
  explicit Keydir(const HashSeed& seed, CompactHeap::Kind kind = CompactHeap::Kind::kDense)
      : seed_(seed), pages_(kind) {}
  Keydir(Keydir&& other) noexcept : Keydir(other.seed_) { swap(other); }
  Keydir& operator=(Keydir&& other) noexcept;
  void swap(Keydir& other) noexcept;

  // The hash that every other function takes beside the key; callers compute it once. Handing in
  // any other value loses the key.
  uint64_t hash(std::string_view key) const { return siphash13(seed_, key); }

  // A look-up waits for memory twice, for the page and then for the entry. Who has several keys to
  // look up calls prefetch() for all of them, then prefetch_entry() for all, then find(): the waits
  // of the keys then run side by side. Hints only; the keydir may change in between.
  void prefetch(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;

  // The entry that a key with this hash is likely to have, if it is there: the key itself is not
  // looked at. Good for prefetching what it names, and for nothing else.
  std::optional<KeydirEntry> guess(uint64_t hash) const;

  std::optional<KeydirEntry> find(std::string_view key, uint64_t hash) const;

  // Sets the entry of a key; returns the former one, if any.
  std::optional<KeydirEntry> put(std::string_view key, uint64_t hash, const KeydirEntry& entry);

  // Returns the entry removed, if any.
  std::optional<KeydirEntry> remove(std::string_view key, uint64_t hash);

  // The entry of the key with this hash whose value is at `where`: it is there, and its value has
  // not been written again since.
  std::optional<KeydirEntry> find_at(uint64_t hash, Location where) const;

  // If there is one with its value at `from`: sets its location to `to`. Says whether it did.
  bool relocate(uint64_t hash, Location from, Location to);

  // Sets the access word of a key, in place. Says whether the key is there.
  bool set_access(std::string_view key, uint64_t hash, uint32_t access);

  size_t size() const { return size_; }                          // keys
  size_t expiring() const { return expiring_; }                  // keys with an expiry
  size_t memory_bytes() const;                                   // bytes of memory held
  size_t mapped_bytes() const { return pages_.mapped_bytes(); }  // of these, not from malloc

  // Visits the keys of at least the page at `cursor` (0 to begin) and returns the next cursor,
  // whose low 20 bits are 0; returns 0 at the end. A key that is there from the first call to the
  // last is visited at least once, whatever is put and removed between the calls. The visitor must
  // not change the keydir; the key it is given is valid during the visit.
  uint64_t scan(uint64_t cursor, Visitor visit) const;

  // A key chosen at random, near-uniformly, from 64 random bits; none if the keydir is empty. O(1)
  // expected. The key's bytes are good until the keydir is changed.
  std::optional<std::pair<std::string_view, KeydirEntry>> random(uint64_t random_bits) const;

  // The same among the keys with an expiry; none if there is none. Where they are few the chances
  // are even between pages rather than keys. O(1) expected; sets the expiry index right on its way.
  std::optional<std::pair<std::string_view, KeydirEntry>> random_expiring(uint64_t random_bits);

  // Calls the visitor for up to `limit` keys whose expiry_ms is at most now_ms, and returns for how
  // many. The key and the entry are copies, and the visitor may change the keydir, in particular
  // remove the key. One that it leaves due is visited again by a later call; pages are served in
  // turn. Looks at no more than 64 + 4 * limit pages, most of which hold a key that is due, so a
  // call takes some microseconds a visit whatever is due in total.
  size_t visit_due(int64_t now_ms, size_t limit, Visitor visit);

  // Whether a key with this hash may have an expiry_ms of at most now_ms. Reads one number for the
  // whole page: it costs next to nothing, and is seldom wrong where what is due is soon removed.
  bool may_be_due(uint64_t hash, int64_t now_ms) const {
    return expiring_ != 0 && expiry_.due(page_index(hash)) <= now_ms;
  }

  // Makes room for this many keys, for use at start-up: they are then put without splitting pages.
  void reserve(size_t keys);
  // Gives back the pages that reserve() made for keys which have not come.
  void fit();

  // Frees up to `budget` pages, so that a large keydir can go in slices; returns whether all is
  // freed. After the first call nothing but this and the destructor may be called.
  bool release_some(size_t budget);

 private:
  static constexpr size_t kGrowAbove = 40;    // keys a page on average
  static constexpr size_t kShrinkBelow = 24;  // far enough from kGrowAbove not to go to and fro
  static constexpr size_t kMaxPages = size_t{1} << 32;

  size_t page_index(uint64_t hash) const;
  unsigned prefix_bits(size_t page) const;
  void grow();
  void shrink();
  uint64_t hash_of(const KeydirPage& page, KeydirPage::Slot slot) const;

  HashSeed seed_;
  KeydirPages pages_;
  ExpiryIndex expiry_;  // one number for each of pages_
  size_t size_ = 0;
  size_t expiring_ = 0;
  size_t next_due_page_ = 0;  // where visit_due() goes on, so that it serves all pages in turn
};

}  // namespace respcask::engine
