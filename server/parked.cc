#include "server/parked.h"

#include <algorithm>
#include <utility>

namespace respcask::server {

namespace {

std::pair<uint32_t, uint64_t> place(const FetchedValue& value) {
  return {value.shard, value.read.where.packed};
}

}  // namespace

Parked::Parked(std::vector<std::unique_ptr<FetchedValue>> wanted, Parked* earlier)
    : values(std::move(wanted)) {
  if (earlier != nullptr) {
    done = earlier->done;
    for (auto& value : earlier->values) values.push_back(std::move(value));
    earlier->values.clear();
  }
  std::sort(values.begin(), values.end(),
            [](const auto& a, const auto& b) { return place(*a) < place(*b); });
  // Whoever named a key twice met its value twice.
  const auto same = [](const auto& a, const auto& b) {
    return place(*a) == place(*b) && a->read.segment == b->read.segment;
  };
  values.erase(std::unique(values.begin(), values.end(), same), values.end());
  for (const auto& value : values) bytes += sizeof(FetchedValue) + value->read.bytes();
}

const FetchedValue* Parked::find(uint32_t shard, engine::Location where,
                                 const engine::Segment* segment) const {
  const std::pair wanted(shard, where.packed);
  auto at =
      std::lower_bound(values.begin(), values.end(), wanted,
                       [](const auto& value, const auto& key) { return place(*value) < key; });
  for (; at != values.end() && place(**at) == wanted; ++at) {
    // A merge may have given its slot, and so the location, to another segment.
    if ((*at)->read.segment.get() == segment) return at->get();
  }
  return nullptr;
}

}  // namespace respcask::server
