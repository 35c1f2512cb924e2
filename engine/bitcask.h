// Bitcask: a store of keys and values, after J. Sheehy and D. Smith, "Bitcask: A Log-Structured
// Hash Table for Fast Key/Value Data" (Basho, 2010). Every key is in memory, every value on disk; a
// get costs at most one read, a put one append. This header is all that the library offers.
//
//   auto store = respcask::Bitcask::open({.dir = "data"});
//   if (!store) return fail(store.error().message);
//   auto put = store->put("key", "value");
//
// A STORE is a directory. One process at a time may have it open for writing; any number may have
// it open read-only while none writes, and those never change a byte of it. Keys and values are any
// bytes. A key has at most kMaxKeyBytes; a key with its value, or all that a batch writes, a little
// under 4 GiB. respcask-server's stores can be opened too, unless they hold collections too large
// for one record: database 0 is what is seen of them, and a key that is no string is listed, but
// reading it is an error.
//
// DURABILITY. When a call that writes returns without an error, what it wrote is with the kernel,
// and survives the end of the process however it comes (kill -9 too). What it takes for it to
// survive a loss of power is Options::sync. After a crash a batch is there whole or not at all. No
// call returns to anybody what a crash of the process could still take back (with Sync::kAlways:
// what a loss of power could take back).
//
// ERRORS. A Result holds a value or an Error; nothing here throws but for want of memory. That a
// key is absent is no error. After a failed write or sync (kIo) the part of the store that it
// concerned refuses writes (kReadOnly) until the store is opened again, and whether the change that
// failed is there then is not known. kNoSpace and kInvalid have changed nothing.
//
// THREADS. Any thread may call anything at any time, with three exceptions: a Snapshot and a Batch
// are used by one thread at a time; close() and the destructor must not run beside another call;
// and so a Snapshot that outlives close() answers kClosed.
//
// MEMORY. Everything that is returned is the caller's own. Keys and values that are handed in are
// copied. Needs C++20.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace respcask {

namespace engine {
class BitcaskCore;
class SnapshotScan;
}  // namespace engine

enum class ErrorCode {
  kIo,        // the system refused a read, write or sync
  kNoSpace,   // no room on the disk
  kDamaged,   // stored bytes do not match their checksum
  kInUse,     // another process, or another Bitcask of this one, has the store open
  kFormat,    // no store is there, or one that this version cannot read
  kReadOnly,  // opened read-only, or closed to writing by an earlier failure
  kInvalid,   // an argument or option out of its range
  kClosed,    // after close()
};

struct Error {
  ErrorCode code;
  std::string message;  // one sentence for a person, naming the file or key where there is one
};

// A value, or why there is none. To look at the wrong one of them is undefined.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

// A moment, kept to the millisecond. A key that expires is absent from that moment on.
using Time = std::chrono::system_clock::time_point;
inline constexpr Time kNever = Time::max();

inline constexpr std::size_t kMaxKeyBytes = std::size_t{512} << 20;

// When what was written is synced to the device, that is, survives a loss of power.
enum class Sync {
  kAlways,       // before the call that wrote it returns; calls of many threads share a sync
  kEverySecond,  // within a second or two, in the background
  kNo,           // by sync(), by close(), when a segment is full; else when the kernel likes
};

struct Options {
  std::string dir = {};           // made if missing, its parent not
  bool read_only = false;         // writes are refused with kReadOnly; the store must exist
  bool create_if_missing = true;  // false: kFormat if no store is there
  Sync sync = Sync::kEverySecond;
  std::uint32_t shards = 8;  // 1 to 256 parts with a lock each; counts when the store is made
  std::uint64_t segment_bytes = std::uint64_t{256} << 20;  // files grow up to it; 4096 and up
  // A shard is merged in the background when this share of its bytes is dead, until no more than
  // `merge_stop` is. Less garbage means more merging: as it is, a byte that is put is copied less
  // than twice.
  double merge_trigger = 0.30;
  double merge_stop = 0.27;
  // A store that takes less is merged only when asked to, and so is a shard that takes less than a
  // 16th of it.
  std::uint64_t merge_least_bytes = std::uint64_t{64} << 20;
  // Read and written together; more when garbage piles up far above merge_trigger. 0: no limit.
  std::uint64_t merge_bytes_per_second = std::uint64_t{64} << 20;
  // Told of what a person should know: repaired tails, damage, failures. Called from any thread, by
  // several at once, and in the middle of what the store does: it must neither call the store nor
  // throw.
  std::function<void(std::string_view line)> log = {};
};

// Changes that are written together: after a crash all of them are there or none, and no get or
// snapshot sees some of them without the others. Later ones win over earlier ones.
class Batch {
 public:
  void put(std::string_view key, std::string_view value, Time expiry = kNever);
  void remove(std::string_view key);
  void clear() { changes_.clear(); }
  std::size_t size() const { return changes_.size(); }  // calls of put() and remove()

 private:
  friend class Bitcask;
  struct Change {
    std::string key;
    std::optional<std::string> value;  // nothing: remove
    Time expiry;
  };
  std::vector<Change> changes_;
};

struct Item {
  std::string key;
  std::string value;
  Time expiry = kNever;
};

// All keys as they were at one instant, in no order, each once, to be walked through once. What is
// written meanwhile is not seen and not held up: it costs the snapshot memory for each key that is
// changed before the walk has come to it, and the disk space of values that were replaced.
class Snapshot {
 public:
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  // The next key with its value, or nothing at the end. After an error (kDamaged: the value is;
  // kReadOnly: a change of the key has failed to be written before the snapshot was made) the walk
  // goes on behind the key that it names.
  Result<std::optional<Item>> next();
  // The same without reading the value.
  Result<std::optional<std::string>> next_key();

 private:
  friend class Bitcask;
  explicit Snapshot(std::unique_ptr<engine::SnapshotScan> scan);
  std::unique_ptr<engine::SnapshotScan> scan_;
};

struct Stats {
  std::uint64_t keys = 0;        // expired ones too until they are cleared away, in a second or so
  std::uint64_t file_bytes = 0;  // of all segments
  std::uint64_t live_bytes = 0;  // of these, what holds a value that a get can reach
  std::uint64_t memory_bytes = 0;  // of the keydir
  std::uint64_t merges = 0;        // since the store was opened
  std::uint64_t merge_bytes_written = 0;
  std::uint64_t damaged_values = 0;  // met since the store was opened
};

class Bitcask {
 public:
  // kInUse, kFormat, kInvalid, kIo, kDamaged (the store's own record is).
  static Result<Bitcask> open(Options options);
  Bitcask(Bitcask&&) noexcept;
  Bitcask& operator=(Bitcask&&) noexcept;
  ~Bitcask();  // close(), its errors lost

  // The value of a key, or nothing. kDamaged: it does not match its checksum; an older value is
  // never returned instead. kReadOnly: a change of the key has failed to be written. A value that
  // is not in memory is read by the calling thread.
  Result<std::optional<std::string>> get(std::string_view key);

  // Sets the value of a key, and when it expires; a moment that has passed removes the key.
  Result<void> put(std::string_view key, std::string_view value, Time expiry = kNever);

  // The paper's delete. Says whether the key was there.
  Result<bool> remove(std::string_view key);

  // Changes when a key expires, leaving its value alone. Says whether the key is there.
  Result<bool> expire(std::string_view key, Time expiry);
  // When a key expires: kNever, a moment, or nothing if the key is absent. kReadOnly as for get().
  Result<std::optional<Time>> expiry(std::string_view key);

  // Writes all of a batch; see Batch.
  Result<void> write(const Batch& batch);

  // As of an instant during the call, which waits until no other call is half done.
  Result<Snapshot> snapshot();

  // All keys of a snapshot.
  Result<std::vector<std::string>> list_keys();

  // The paper's fold over a snapshot: `fun(key, value, acc)` returns the next `acc`, the last of
  // which is returned. Ends at the first error.
  template <class Fun, class Acc>
  Result<Acc> fold(Fun fun, Acc acc) {
    auto all = snapshot();
    if (!all) return all.error();
    for (;;) {
      auto item = all->next();
      if (!item) return item.error();
      if (!*item) return acc;
      acc = fun(std::string_view((*item)->key), std::string_view((*item)->value), std::move(acc));
    }
  }

  // Merges everything that holds garbage, whatever the options say, and waits for it. Merging in
  // the background goes on by itself; nobody has to call this.
  Result<void> merge();

  // Everything that was written before survives a loss of power once this has returned.
  Result<void> sync();

  // Syncs, writes what makes the next open quick, and releases the store. Further calls answer
  // kClosed.
  Result<void> close();

  Result<Stats> stats();

 private:
  explicit Bitcask(std::shared_ptr<engine::BitcaskCore> core);
  std::shared_ptr<engine::BitcaskCore> core_;
};

}  // namespace respcask
