#include "server/types/member_index.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "engine/varint.h"
#include "server/types/malloc_header.h"

namespace respcask::server {

namespace {

const engine::HashSeed& seed() {
  static const engine::HashSeed drawn = engine::HashSeed::random();
  return drawn;
}

struct Decoded {
  uint32_t ordinal = 0;
  std::string_view member;
};

// Nothing if the bytes are no element's name.
std::optional<Decoded> decode_name(std::string_view name) {
  const char* end = name.data() + name.size();
  uint64_t ordinal = 0;
  const char* member = engine::decode_varint(name.data(), end, ordinal);
  if (member == nullptr || ordinal > MemberIndex::kMaxOrdinal) return std::nullopt;
  return Decoded{static_cast<uint32_t>(ordinal), {member, static_cast<size_t>(end - member)}};
}

engine::ElementLocation element(std::string_view member, const engine::KeydirEntry& entry) {
  return {entry.where, entry.value_size,
          static_cast<uint32_t>(engine::varint_size(entry.access) + member.size())};
}

MemberIndex::Member member_of(const engine::KeydirEntry& entry) {
  return {entry.where, entry.value_size, entry.access};
}

}  // namespace

MemberIndex::Name::Name(uint32_t ordinal, std::string_view member) {
  std::array<char, engine::kMaxVarintSize> head;
  const char* end = engine::encode_varint(ordinal, head.data());
  const auto head_size = static_cast<size_t>(end - head.data());
  bytes_.reserve(head_size + member.size());
  bytes_.append(head.data(), head_size);
  bytes_.append(member);
}

MemberIndex::MemberIndex() : table_(seed(), engine::CompactHeap::Kind::kMalloc) {}

std::optional<MemberIndex::Member> MemberIndex::find(std::string_view member) const {
  const auto entry = table_.find(member, table_.hash(member));
  if (!entry) return std::nullopt;
  return member_of(*entry);
}

std::optional<engine::ElementLocation> MemberIndex::put(std::string_view member, const Member& at) {
  engine::KeydirEntry entry;
  entry.where = at.where;
  entry.value_size = at.value_size;
  entry.access = at.ordinal;
  next_ordinal_ = std::max(next_ordinal_, at.ordinal + 1);
  const auto former = table_.put(member, table_.hash(member), entry);
  if (!former) return std::nullopt;
  return element(member, *former);
}

std::optional<engine::ElementLocation> MemberIndex::remove(std::string_view member) {
  const auto former = table_.remove(member, table_.hash(member));
  if (!former) return std::nullopt;
  return element(member, *former);
}

uint64_t MemberIndex::scan(uint64_t cursor, Visitor visit) const {
  return table_.scan(cursor, [&](std::string_view member, const engine::KeydirEntry& entry) {
    visit(member, member_of(entry));
  });
}

void MemberIndex::for_each_member(Visitor visit) const {
  uint64_t cursor = 0;
  do {
    cursor = scan(cursor, visit);
  } while (cursor != 0);
}

std::pair<std::string_view, MemberIndex::Member> MemberIndex::random(uint64_t random_bits) const {
  const auto drawn = table_.random(random_bits);
  assert(drawn);
  return {drawn->first, member_of(drawn->second)};
}

std::optional<engine::ElementLocation> MemberIndex::recover_put(std::string_view name,
                                                                engine::Location where,
                                                                uint32_t value_size) {
  const auto decoded = decode_name(name);
  if (!decoded) return std::nullopt;
  return put(decoded->member, {where, value_size, decoded->ordinal});
}

std::optional<engine::ElementLocation> MemberIndex::recover_remove(std::string_view name) {
  const auto decoded = decode_name(name);
  if (!decoded) return std::nullopt;
  return remove(decoded->member);
}

bool MemberIndex::is_live(std::string_view name, engine::Location where) const {
  const auto decoded = decode_name(name);
  if (!decoded) return false;
  const auto found = find(decoded->member);
  return found && found->where == where;
}

uint64_t MemberIndex::hash(std::string_view name) const {
  const auto decoded = decode_name(name);
  return decoded ? hash_member(decoded->member) : 0;
}

void MemberIndex::prefetch(uint64_t hash, int step) const {
  if (step == 0) table_.prefetch(hash);
  if (step == 1) table_.prefetch_entry(hash);
}

bool MemberIndex::contains(std::string_view name) const {
  const auto decoded = decode_name(name);
  return decoded && find(decoded->member);
}

bool MemberIndex::relocate(std::string_view name, engine::Location from, engine::Location to) {
  const auto decoded = decode_name(name);
  return decoded && table_.relocate(table_.hash(decoded->member), from, to);
}

void MemberIndex::for_each(const std::function<void(const engine::ElementLocation&)>& visit) const {
  uint64_t cursor = 0;
  do {
    cursor = table_.scan(cursor, [&](std::string_view member, const engine::KeydirEntry& entry) {
      visit(element(member, entry));
    });
  } while (cursor != 0);
}

size_t MemberIndex::memory_bytes() const {
  return sizeof *this + kMallocHeader + table_.memory_bytes();
}

}  // namespace respcask::server
