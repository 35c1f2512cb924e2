#include "server/types/sorted_set_index.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace respcask::server {

namespace {

static_assert(std::endian::native == std::endian::little);

struct DecodedName {
  double score;
  std::string_view member;
};

// Nothing if the bytes are no element's name.
std::optional<DecodedName> decode_name(std::string_view name) {
  if (name.size() < SortedSetIndex::kScoreBytes) return std::nullopt;
  DecodedName decoded{0, name.substr(SortedSetIndex::kScoreBytes)};
  std::memcpy(&decoded.score, name.data(), SortedSetIndex::kScoreBytes);
  if (std::isnan(decoded.score)) return std::nullopt;
  return decoded;
}

}  // namespace

std::string_view SortedSetIndex::name(std::string_view member, double score, std::string& scratch) {
  scratch.resize(kScoreBytes);
  std::memcpy(scratch.data(), &score, kScoreBytes);
  scratch.append(member);
  return scratch;
}

engine::ElementLocation SortedSetIndex::location(const SortedSetTree::Element& element) {
  return {element.where, 0, static_cast<uint32_t>(kScoreBytes + element.member.size())};
}

std::optional<engine::ElementLocation> SortedSetIndex::recover_put(std::string_view name,
                                                                   engine::Location where,
                                                                   uint32_t value_size) {
  const auto decoded = decode_name(name);
  if (!decoded || value_size != 0) return std::nullopt;
  const SortedSetTree::Place place = tree_.find(decoded->member);
  if (!place.valid()) {
    tree_.insert(decoded->member, decoded->score, where);
    return std::nullopt;
  }
  const engine::ElementLocation old = location(tree_.element(place));
  tree_.update(place, decoded->member, decoded->score, where);
  return old;
}

std::optional<engine::ElementLocation> SortedSetIndex::recover_remove(std::string_view name) {
  const auto decoded = decode_name(name);
  if (!decoded) return std::nullopt;
  const SortedSetTree::Place place = tree_.find(decoded->member);
  if (!place.valid()) return std::nullopt;
  const engine::ElementLocation old = location(tree_.element(place));
  tree_.erase(place);
  return old;
}

bool SortedSetIndex::is_live(std::string_view name, engine::Location where) const {
  const auto decoded = decode_name(name);
  if (!decoded) return false;
  const SortedSetTree::Place place = tree_.find(decoded->member);
  return place.valid() && tree_.element(place).where == where;
}

uint64_t SortedSetIndex::hash(std::string_view name) const {
  const auto decoded = decode_name(name);
  return decoded ? SortedSetTree::hash_member(decoded->member) : 0;
}

bool SortedSetIndex::contains(std::string_view name) const {
  const auto decoded = decode_name(name);
  return decoded && tree_.find(decoded->member).valid();
}

bool SortedSetIndex::relocate(std::string_view name, engine::Location from, engine::Location to) {
  const auto decoded = decode_name(name);
  if (!decoded) return false;
  const SortedSetTree::Place place = tree_.find(decoded->member);
  if (!place.valid() || tree_.element(place).where != from) return false;
  tree_.set_where(place, to);
  return true;
}

void SortedSetIndex::for_each(
    const std::function<void(const engine::ElementLocation&)>& visit) const {
  if (tree_.size() == 0) return;
  for (SortedSetTree::Place at = tree_.at_rank(0); at.valid(); at = tree_.next(at)) {
    visit(location(tree_.element(at)));
  }
}

}  // namespace respcask::server
