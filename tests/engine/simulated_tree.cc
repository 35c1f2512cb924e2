#include "tests/engine/simulated_tree.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

namespace respcask::engine {
namespace {

using Entries = std::map<std::string, std::shared_ptr<Node>>;

void apply(const SimulatedTree::Effect& effect, Entries& entries) {
  if (effect.node) {
    entries[effect.name] = effect.node;
  } else {
    entries.erase(effect.name);
  }
}

using NameKey = std::pair<const Node*, std::string>;

NameKey key_of(const SimulatedTree::Effect& effect) {
  return {effect.directory.get(), effect.name};
}

// Copies of nodes, each made once, so that a file with two names stays one file.
class NodeCopier {
 public:
  std::shared_ptr<Node> copy(const std::shared_ptr<Node>& node) {
    if (!node) return nullptr;
    std::shared_ptr<Node>& result = copies_[node.get()];
    if (result) return result;
    result = std::make_shared<Node>();
    if (!node->is_directory()) result->file = std::make_unique<SimulatedFile>(*node->file);
    copy_entries(node->entries, result->entries);
    copy_entries(node->synced_entries, result->synced_entries);
    return result;
  }

 private:
  void copy_entries(const Entries& from, Entries& to) {
    for (const auto& [name, child] : from) to.emplace(name, copy(child));
  }

  std::unordered_map<const Node*, std::shared_ptr<Node>> copies_;
};

std::uint64_t names_below(const Node& directory, const Node& node) {
  std::uint64_t names = 0;
  for (const auto& [name, child] : directory.entries) {
    if (child.get() == &node) ++names;
    if (child->is_directory()) names += names_below(*child, node);
  }
  return names;
}

void count_names(const std::shared_ptr<Node>& directory) {
  for (const auto& [name, child] : directory->entries) {
    ++child->users;
    if (child->is_directory()) count_names(child);
  }
}

}  // namespace

bool Node::contains(const Node& node) const {
  if (this == &node) return true;
  return std::any_of(entries.begin(), entries.end(),
                     [&](const auto& entry) { return entry.second->contains(node); });
}

SimulatedTree::SimulatedTree() : root_(std::make_shared<Node>()) {}

SimulatedTree::Place SimulatedTree::look_up(std::string_view path) const {
  Place place{nullptr, "", root_};
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty() || name == ".") continue;
    assert(name != "..");
    if (!place.node) return Place{nullptr, "", nullptr, ENOENT};
    if (!place.node->is_directory()) return Place{nullptr, "", nullptr, ENOTDIR};
    const auto entry = place.node->entries.find(std::string(name));
    std::shared_ptr<Node> child = entry == place.node->entries.end() ? nullptr : entry->second;
    place = Place{place.node, std::string(name), std::move(child)};
  }
  return place;
}

std::uint64_t SimulatedTree::names_of(const Node& node) const {
  return names_below(*root_, node);
}

void SimulatedTree::change(std::vector<Effect> effects) {
  for (const Effect& effect : effects) {
    const auto replaced = effect.directory->entries.find(effect.name);
    if (replaced != effect.directory->entries.end()) --replaced->second->users;
    if (effect.node) ++effect.node->users;
    apply(effect, effect.directory->entries);
  }
  unsynced_.push_back({std::move(effects)});
}

void SimulatedTree::add_earlier_on_same_names(std::vector<bool>& chosen) const {
  std::set<NameKey> needed;
  for (std::size_t i = unsynced_.size(); i-- > 0;) {
    const std::vector<Effect>& effects = unsynced_[i].effects;
    chosen[i] = chosen[i] || std::any_of(effects.begin(), effects.end(), [&](const Effect& effect) {
                  return needed.contains(key_of(effect));
                });
    if (!chosen[i]) continue;
    for (const Effect& effect : effects) needed.insert(key_of(effect));
  }
}

void SimulatedTree::sync(const Node& directory) {
  std::vector<bool> chosen;
  for (const Change& change : unsynced_)
    chosen.push_back(!change.lost && std::any_of(change.effects.begin(), change.effects.end(),
                                                 [&](const Effect& effect) {
                                                   return effect.directory.get() == &directory;
                                                 }));
  add_earlier_on_same_names(chosen);
  std::vector<Change> rest;
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    if (!chosen[i]) {
      rest.push_back(std::move(unsynced_[i]));
      continue;
    }
    for (const Effect& effect : unsynced_[i].effects)
      apply(effect, effect.directory->synced_entries);
  }
  unsynced_ = std::move(rest);
}

void SimulatedTree::lose_unsynced(const Node& directory) {
  for (Change& change : unsynced_)
    for (const Effect& effect : change.effects)
      if (effect.directory.get() == &directory) change.lost = true;
}

std::vector<bool> SimulatedTree::choose_changes(PowerLoss mode, Random& random) const {
  const std::size_t all = unsynced_.size();
  std::vector<bool> chosen(all, false);
  if (mode == PowerLoss::kDrop) return chosen;
  const std::uint64_t prefix = mode == PowerLoss::kPrefix ? below(random, all + 1) : all;
  const bool any_subset = mode == PowerLoss::kTearSectors || mode == PowerLoss::kTearPages;
  std::set<NameKey> stopped;  // names of which a change did not survive: nor does a later one
  for (std::size_t i = 0; i < all; ++i) {
    const Change& change = unsynced_[i];
    bool survives = any_subset ? below(random, 2) == 0 : i < prefix && !change.lost;
    for (const Effect& effect : change.effects)
      if (stopped.contains(key_of(effect))) survives = false;
    if (!survives)
      for (const Effect& effect : change.effects) stopped.insert(key_of(effect));
    chosen[i] = survives;
  }
  return chosen;
}

SimulatedTree SimulatedTree::survivor(PowerLoss mode, Random& random) const {
  const std::vector<bool> chosen = choose_changes(mode, random);
  std::unordered_map<const Node*, Entries> changed;
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    if (!chosen[i]) continue;
    for (const Effect& effect : unsynced_[i].effects) {
      const Node* directory = effect.directory.get();
      apply(effect, changed.try_emplace(directory, directory->synced_entries).first->second);
    }
  }
  std::unordered_map<const Node*, std::shared_ptr<Node>> survivors;
  const std::function<std::shared_ptr<Node>(const Node&)> survive = [&](const Node& node) {
    if (const auto known = survivors.find(&node); known != survivors.end()) return known->second;
    const auto result = survivors[&node] = std::make_shared<Node>();
    if (!node.is_directory()) result->file = node.file->survivor(mode, random);
    const auto replaced = changed.find(&node);
    for (const auto& [name, child] :
         replaced == changed.end() ? node.synced_entries : replaced->second)
      result->entries.emplace(name, survive(*child));
    result->synced_entries = result->entries;
    return result;
  };
  SimulatedTree result;
  result.root_ = survive(*root_);
  count_names(result.root_);
  return result;
}

SimulatedTree SimulatedTree::copy() const {
  NodeCopier copier;
  SimulatedTree result;
  result.root_ = copier.copy(root_);
  for (const Change& change : unsynced_) {
    Change copied;
    copied.lost = change.lost;
    for (const Effect& effect : change.effects)
      copied.effects.push_back(
          {copier.copy(effect.directory), effect.name, copier.copy(effect.node)});
    result.unsynced_.push_back(std::move(copied));
  }
  count_names(result.root_);
  return result;
}

}  // namespace respcask::engine
