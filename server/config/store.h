// The configuration of a running server: CONFIG GET, SET and REWRITE over one current Config.
//
// Invariants: snapshots are immutable and never torn: set() copies the current Config, validates
// every pair into the copy, asks the hooks, and only then publishes it with one store. So a reader
// sees all of a SET or nothing of it.
// Memory: a snapshot lives as long as somebody holds it. ConfigStore owns the file name and hooks.
// Threads: every member may be called from any thread (on_change only before the loops start);
// set() and rewrite() exclude one another. A hook runs on the thread that called set() and must
// not call back into the store.
//
// How to read it: each loop (and each background thread) owns a ConfigView, calls refresh() once a
// turn, and uses current() for the rest of the turn. A turn without a change costs one relaxed
// atomic load; a read costs a plain load.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/result.h"
#include "server/config/config.h"

namespace respcask::server {

class ConfigStore {
 public:
  // Called with the values as they are and as they will be. It applies them and returns nothing, or
  // changes nothing and returns why not: one sentence without a full stop or line break. It is
  // called again with the two swapped when a later hook of the same SET refuses; that call must not
  // fail (what it returns is ignored).
  using Hook = std::function<std::optional<std::string>(const Config& from, const Config& to)>;

  // `file` is the absolute path of the configuration file, "" if there is none.
  explicit ConfigStore(Config initial, std::string file = "");
  ConfigStore(const ConfigStore&) = delete;
  ConfigStore& operator=(const ConfigStore&) = delete;

  std::shared_ptr<const Config> snapshot() const;
  // Grows by one with every published change; starts at 1.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  const std::string& file() const { return file_; }

  // Runs `hook` once for a SET that changes at least one of `names` (any alias does; every name
  // must be in the table), or that names `bind`, changed or not. Hooks run in the order in which
  // the SET names what they are for, those for the same in the order in which they were registered.
  void on_change(std::initializer_list<std::string_view> names, Hook hook);

  // CONFIG GET: the parameters that match at least one of the glob patterns, without regard to
  // case, as (name, value), each once, in the order of the names. An alias counts as a name. What
  // is no pattern is given back as it was spelled: a view of `patterns`.
  std::vector<std::pair<std::string_view, std::string>> get(
      std::span<const std::string_view> patterns) const;

  // CONFIG SET: `words` are name, value, name, value, ... Applies all pairs or none. `is_local`
  // says that the client is on this machine (enable-protected-configs local). Returns the error
  // reply's text
  // ("ERR CONFIG SET failed ...", without '-' and CRLF; it may quote what the client sent).
  std::optional<std::string> set(std::span<const std::string_view> words, bool is_local = false);

  // CONFIG REWRITE: brings the file in line with the current values: comments, order and unknown
  // lines stay, changed values are replaced in place, and what is new and not a default is appended
  // under one comment line, as is `dir`, which then is the same wherever the server is started.
  // `user_lines` replace the file's `user` lines (without the word "user"); without them those stay
  // as they are. Blocks on the disk: the new text is synced under a temporary name and renamed.
  // kInvalid without a file, kIo as rewrite_file() (rewrite.h).
  engine::Result<void> rewrite(
      std::optional<std::span<const std::string>> user_lines = std::nullopt);

 private:
  struct Hooked {
    std::vector<std::size_t> rows;  // RowId
    Hook hook;
  };
  // A name and its row, as one SET gives them.
  struct Pair {
    std::string name;
    std::size_t row;
    std::string_view value;
  };

  // Each returns what is wrong, or nothing.
  std::optional<std::string> look_up(std::span<const std::string_view> words, bool is_local,
                                     std::vector<Pair>& pairs) const;
  std::optional<std::string> run_hooks(std::span<const Pair> pairs, const Config& from,
                                       const Config& to) const;

  const std::string file_;
  std::mutex set_mutex_;              // held through a whole set() or rewrite()
  mutable std::mutex current_mutex_;  // held for a pointer copy only
  std::shared_ptr<const Config> current_;
  std::atomic<uint64_t> version_{1};
  std::vector<Hooked> hooks_;
};

// A thread's own view of the current Config. Not shared between threads.
class ConfigView {
 public:
  explicit ConfigView(const ConfigStore& store)
      : store_(&store), version_(store.version()), config_(store.snapshot()) {}

  // Picks up what was published since; references from current() end here.
  void refresh() {
    // The version is read first: a change between the two lines is picked up by the next refresh.
    const uint64_t version = store_->version();
    if (version == version_) return;
    version_ = version;
    config_ = store_->snapshot();
  }
  const Config& current() const { return *config_; }
  // Another one with every other current().
  uint64_t version() const { return version_; }

 private:
  const ConfigStore* store_;
  uint64_t version_;
  std::shared_ptr<const Config> config_;
};

// Whether a parameter's value is a secret: its arguments must not appear in SLOWLOG, MONITOR or the
// log. False for what is no parameter.
bool is_secret_parameter(std::string_view name);

}  // namespace respcask::server
