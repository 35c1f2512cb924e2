// The names on a simulated disk: a tree of directories and files that knows which changes to it are
// durable. What a power cut leaves is told at the head of simulated_file.h.
//
// A node is owned by the directories that name it (visible or synced), by unsynced changes and by
// open handles. Threads: none of this locks; FaultyFileSystem does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/engine/simulated_file.h"

namespace respcask::engine {

// A file or a directory.
struct Node {
  std::unique_ptr<SimulatedFile> file;                          // null: a directory
  std::map<std::string, std::shared_ptr<Node>> entries;         // as visible
  std::map<std::string, std::shared_ptr<Node>> synced_entries;  // as on the disk
  std::uint64_t users = 0;  // names and handles; at 0 its space is free
  bool locked = false;      // exclusively
  std::uint64_t shared_locks = 0;

  bool is_directory() const { return !file; }
  bool contains(const Node& node) const;  // is it, or lies somewhere in it
};

// The names: a tree of nodes, and the changes to it that are not synced yet.
class SimulatedTree {
 public:
  SimulatedTree();
  SimulatedTree(SimulatedTree&&) = default;
  SimulatedTree& operator=(SimulatedTree&&) = default;

  const std::shared_ptr<Node>& root() const { return root_; }

  // Where a path's last name stands, and what it names (null: nothing).
  struct Place {
    std::shared_ptr<Node> directory;  // null: the root itself
    std::string name;
    std::shared_ptr<Node> node;
    int error = 0;  // ENOENT or ENOTDIR on the way; the rest is then empty
  };
  Place look_up(std::string_view path) const;
  // How many visible names a node has.
  std::uint64_t names_of(const Node& node) const;

  struct Effect {
    std::shared_ptr<Node> directory;
    std::string name;
    std::shared_ptr<Node> node;  // null: the name goes
  };
  // Makes one change, whole or not at all: a rename has two effects.
  void change(std::vector<Effect> effects);

  void sync(const Node& directory);
  void lose_unsynced(const Node& directory);

  SimulatedTree survivor(PowerLoss mode, Random& random) const;
  SimulatedTree copy() const;  // with what is unsynced in it

 private:
  struct Change {
    std::vector<Effect> effects;
    bool lost = false;
  };
  std::vector<bool> choose_changes(PowerLoss mode, Random& random) const;
  // Adds to `chosen` the changes without which the chosen ones cannot be.
  void add_earlier_on_same_names(std::vector<bool>& chosen) const;

  std::shared_ptr<Node> root_;
  std::vector<Change> unsynced_;
};

}  // namespace respcask::engine
