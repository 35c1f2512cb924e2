// MapIndex: the simplest element index, a map from names to locations.
//
// Owned by the shard that asked for it, as ElementIndex says; used under that shard's lock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/element_index.h"

namespace respcask::engine {

class MapIndex final : public ElementIndex {
 public:
  using Elements = std::map<std::string, ElementLocation, std::less<>>;

  // Of this type the elements make up the value together.
  static constexpr uint8_t kIndivisible = 2;

  explicit MapIndex(uint8_t type = 1) : type_(type) {}
  static std::unique_ptr<ElementIndex> make(uint8_t type) {
    return std::make_unique<MapIndex>(type);
  }

  const Elements& elements() const { return elements_; }

  // Enters a location; returns the one it replaces.
  std::optional<ElementLocation> set(std::string_view name, const ElementLocation& location) {
    auto old = recover_remove(name);
    elements_.emplace(name, location);
    return old;
  }

  std::optional<ElementLocation> recover_put(std::string_view name, Location where,
                                             uint32_t value_size) override {
    return set(name, {where, value_size, static_cast<uint32_t>(name.size())});
  }
  std::optional<ElementLocation> recover_remove(std::string_view name) override {
    auto found = elements_.find(name);
    if (found == elements_.end()) return std::nullopt;
    const ElementLocation old = found->second;
    elements_.erase(found);
    return old;
  }
  bool is_live(std::string_view name, Location where) const override {
    auto found = elements_.find(name);
    return found != elements_.end() && found->second.where == where;
  }
  bool contains(std::string_view name) const override { return elements_.contains(name); }
  bool relocate(std::string_view name, Location from, Location to) override {
    auto found = elements_.find(name);
    if (found == elements_.end() || found->second.where != from) return false;
    found->second.where = to;
    return true;
  }
  void for_each(const std::function<void(const ElementLocation&)>& visit) const override {
    for (const auto& [name, location] : elements_) visit(location);
  }
  bool is_indivisible() const override { return type_ == kIndivisible; }
  bool serves(uint8_t type) const override { return type == type_; }
  size_t memory_bytes() const override { return 0; }

 private:
  const uint8_t type_;
  Elements elements_;
};

}  // namespace respcask::engine
