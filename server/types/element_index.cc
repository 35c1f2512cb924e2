#include "server/types/element_index.h"

#include "server/types/list_index.h"
#include "server/types/member_index.h"
#include "server/types/sorted_set_index.h"
#include "server/types/string_chunks.h"

namespace respcask::server {

std::unique_ptr<engine::ElementIndex> make_element_index(uint8_t tag) {
  switch (TypeTag{tag}.type()) {
    case Type::kString:
      return std::make_unique<StringChunks>();
    case Type::kList:
      return std::make_unique<ListIndex>();
    case Type::kSet:
    case Type::kHash:
      return std::make_unique<MemberIndex>();
    case Type::kSortedSet:
      return std::make_unique<SortedSetIndex>();
    default:
      break;
  }
  return nullptr;
}

uint64_t likely_element(const engine::ElementIndex& index, TypeTag tag, std::string_view first,
                        std::string_view second) {
  switch (tag.type()) {
    case Type::kSet:
    case Type::kHash:
      return static_cast<const MemberIndex&>(index).hash_member(first);
    case Type::kSortedSet:
      // ZADD and ZINCRBY have a number in front of the member.
      return SortedSetTree::hash_member(second.empty() ? first : second);
    default:
      return 0;
  }
}

}  // namespace respcask::server
