#include "server/digest.h"

#include <string>

#include "resp/number.h"

namespace respcask::server {

void Digest::add(std::string_view bytes) {
  const Sha1Digest added = sha1(bytes);
  for (size_t i = 0; i < value_.size(); ++i) value_[i] ^= added[i];
}

void Digest::mix(std::string_view bytes) {
  add(bytes);
  value_ = sha1(this->bytes());
}

void Digest::mix_number(uint32_t number) {
  const char bytes[] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                        static_cast<char>(number >> 8), static_cast<char>(number)};
  mix({bytes, sizeof bytes});
}

namespace {

// What Redis calls the types in memory.
enum RedisType : uint32_t {
  kStringType = 0,
  kListType = 1,
  kSetType = 2,
  kSortedSetType = 3,
  kHashType = 4,
};

void mix_pair(Digest& digest, std::string_view name, std::string_view value) {
  Digest pair;
  pair.mix(name);
  pair.mix(value);
  digest.add(pair);
}

struct MixValue {
  Digest& digest;

  void operator()(const rdb::String& string) const {
    digest.mix_number(kStringType);
    digest.mix(string.bytes);
  }
  void operator()(const rdb::List& list) const {
    digest.mix_number(kListType);
    for (const std::string& element : list.elements) digest.mix(element);
  }
  void operator()(const rdb::Set& set) const {
    digest.mix_number(kSetType);
    for (const std::string& member : set.members) digest.add(std::string_view(member));
  }
  void operator()(const rdb::SortedSet& sorted) const {
    digest.mix_number(kSortedSetType);
    for (const auto& [member, score] : sorted.members) {
      char text[resp::kMaxDoubleChars];
      const char* end = resp::format_double(text, score);
      mix_pair(digest, member, {text, static_cast<size_t>(end - text)});
    }
  }
  void operator()(const rdb::Hash& hash) const {
    digest.mix_number(kHashType);
    for (const auto& [field, value] : hash.fields) mix_pair(digest, field, value);
  }
};

}  // namespace

void mix_object(Digest& digest, const rdb::Value& value, bool expires) {
  std::visit(MixValue{digest}, value);
  if (expires) digest.add(std::string_view("!!expire!!"));
}

}  // namespace respcask::server
