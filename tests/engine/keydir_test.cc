#include "engine/keydir.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace respcask::engine {
namespace {

constexpr size_t kKeptWhenEmpty = 10000;  // the heap's records

// A keydir together with what it should hold. Fixed hash seed: the test's own seed decides all.
class Checked {
 public:
  explicit Checked(unsigned seed) : random_(seed) {}

  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  std::string random_key(size_t distinct) {
    const size_t i = below(distinct);
    std::string key = std::string("key:").append(std::to_string(i));
    if (i % 50 == 0) key.resize(150 + i % 300, static_cast<char>(i));  // inline and long ones
    if (i % 7 == 0) key[0] = '\0';
    return key;
  }

  KeydirEntry random_entry() {
    KeydirEntry entry;
    entry.where =
        below(8) == 0
            ? Location::at(static_cast<uint32_t>(below(1 << 24)), random_() % Location::kMaxOffset)
            : Location::at(static_cast<uint32_t>(below(100)), below(1 << 30) + 1);
    entry.value_size = static_cast<uint32_t>(random_() >> below(32));
    entry.type = static_cast<uint8_t>(below(128));
    entry.access = static_cast<uint32_t>(below(1 << 24));
    if (below(3) == 0) entry.expiry_ms = static_cast<int64_t>(below(10000)) + 1;
    if (below(10) == 0) entry.collection = random_();
    return entry;
  }

  void put(const std::string& key, const KeydirEntry& entry) {
    const auto former = keydir.put(key, keydir.hash(key), entry);
    REQUIRE(former == find_in_model(key));
    model[key] = entry;
  }

  void remove(const std::string& key) {
    const auto former = keydir.remove(key, keydir.hash(key));
    REQUIRE(former == find_in_model(key));
    model.erase(key);
  }

  std::optional<KeydirEntry> find_in_model(const std::string& key) const {
    const auto it = model.find(key);
    return it == model.end() ? std::nullopt : std::optional(it->second);
  }

  std::optional<KeydirEntry> find(const std::string& key) const {
    return keydir.find(key, keydir.hash(key));
  }

  void check_all() const {
    REQUIRE(keydir.size() == model.size());
    size_t expiring = 0;
    for (const auto& [key, entry] : model) {
      REQUIRE(find(key) == entry);
      expiring += entry.expiry_ms != 0;
    }
    REQUIRE(keydir.expiring() == expiring);
    std::set<std::string> scanned;
    uint64_t cursor = 0;
    do {
      cursor = keydir.scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
        REQUIRE(scanned.insert(std::string(key)).second);
        REQUIRE(find_in_model(std::string(key)) == entry);
      });
      REQUIRE(cursor % (1 << 20) == 0);
    } while (cursor != 0);
    REQUIRE(scanned.size() == model.size());
  }

  Keydir keydir{HashSeed{1, 2}};
  std::unordered_map<std::string, KeydirEntry> model;

 private:
  std::mt19937_64 random_;
};

KeydirEntry entry_at(uint64_t offset, int64_t expiry_ms = 0) {
  KeydirEntry entry;
  entry.where = Location::at(1, offset);
  entry.value_size = 100;
  entry.expiry_ms = expiry_ms;
  return entry;
}

std::string numbered(size_t i) {
  return std::string("k").append(std::to_string(i));
}
std::string long_numbered(size_t i) {
  return std::string(KeydirPage::kMaxInlineKey, 'x') + numbered(i);
}

void put(Keydir& keydir, const std::string& key, const KeydirEntry& entry) {
  keydir.put(key, keydir.hash(key), entry);
}
std::optional<KeydirEntry> remove(Keydir& keydir, std::string_view key) {
  return keydir.remove(key, keydir.hash(key));
}

}  // namespace

TEST_CASE("an empty keydir finds nothing and holds no memory") {
  Keydir keydir{HashSeed::random()};
  CHECK(keydir.size() == 0);
  CHECK(keydir.memory_bytes() == 0);
  CHECK_FALSE(keydir.find("a", keydir.hash("a")));
  CHECK_FALSE(remove(keydir, "a"));
  CHECK_FALSE(keydir.relocate(keydir.hash("a"), {}, {}));
  CHECK_FALSE(keydir.set_access("a", keydir.hash("a"), 1));
  CHECK_FALSE(keydir.random(1));
  CHECK(keydir.scan(0, [](std::string_view, const KeydirEntry&) { FAIL("nothing to visit"); }) ==
        0);
  CHECK(keydir.visit_due(1, 10, [](std::string_view, const KeydirEntry&) {}) == 0);
  keydir.prefetch(1);
  keydir.prefetch_entry(1);
}

TEST_CASE("the guess for a key that is there is mostly its entry") {
  Keydir keydir{HashSeed::random()};
  CHECK_FALSE(keydir.guess(1));
  for (size_t i = 1; i <= 3000; ++i) put(keydir, numbered(i), entry_at(i));
  size_t right = 0;
  for (size_t i = 1; i <= 3000; ++i) {
    const auto guessed = keydir.guess(keydir.hash(numbered(i)));
    REQUIRE(guessed);
    right += *guessed == entry_at(i) ? 1 : 0;
  }
  // Each of some 30 other keys of the page has the same tag in one of 256 cases.
  CHECK(right > 2400);
}

TEST_CASE("prefetching changes nothing") {
  Keydir keydir{HashSeed::random()};
  for (size_t i = 1; i <= 3000; ++i) put(keydir, numbered(i), entry_at(i));
  for (size_t i = 1; i <= 6000; ++i) {
    const uint64_t hash = keydir.hash(numbered(i));
    keydir.prefetch(hash);
    keydir.prefetch_entry(hash);
    const auto found = keydir.find(numbered(i), hash);
    REQUIRE(found == (i <= 3000 ? std::optional(entry_at(i)) : std::nullopt));
  }
}

TEST_CASE("keys may be empty, binary, and of any length") {
  Keydir keydir{HashSeed::random()};
  std::vector<std::string> keys = {"", std::string(1, '\0'), std::string(2, '\0'), "\r\n",
                                   "\xff\xfe"};
  for (size_t size : {191, 192, 193, 194, 255, 256, 65535, 65536, 3 << 20}) {
    keys.emplace_back(size, 'x');
    keys.emplace_back(size, '\0');
  }
  for (size_t i = 0; i < keys.size(); ++i) put(keydir, keys[i], entry_at(i + 1));
  CHECK(keydir.size() == keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(keydir.find(keys[i], keydir.hash(keys[i])) == entry_at(i + 1));
    CHECK_FALSE(keydir.find(keys[i] + "y", keydir.hash(keys[i] + "y")));
  }
  for (size_t i = 0; i < keys.size(); ++i) CHECK(remove(keydir, keys[i]) == entry_at(i + 1));
  CHECK(keydir.memory_bytes() < kKeptWhenEmpty);
}

TEST_CASE("an entry comes back whole, whatever entry it replaced") {
  std::vector<KeydirEntry> entries;
  for (uint32_t size : {0u, 255u, 256u, 0xffffu, 0x10000u, 0xffffffu, 0x1000000u, 0xffffffffu}) {
    for (Location where :
         {Location::at(0, 1), Location::at(0xffff, 0xffffffff), Location::at(0x10000, 1),
          Location::at(1, 0x100000000), Location::at(Location::kMaxSlot, Location::kMaxOffset)}) {
      for (int64_t expiry : {int64_t{0}, int64_t{1}, int64_t{-1}, ExpiryIndex::kNever}) {
        for (uint64_t collection : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
          const auto n = static_cast<uint32_t>(entries.size());
          entries.push_back({where, size, static_cast<uint8_t>(n % 128), collection, expiry,
                             KeydirEntry::kMaxAccess - n});
        }
      }
    }
  }
  Keydir keydir{HashSeed::random()};
  const std::string inline_key = "key";
  const std::string long_key(1000, 'k');
  put(keydir, "before", entry_at(1));
  put(keydir, inline_key, entry_at(2));
  put(keydir, long_key, entry_at(2));
  put(keydir, "after", entry_at(3));
  KeydirEntry former = entry_at(2);
  for (size_t i = 0; i < entries.size(); ++i) {
    const KeydirEntry& entry = entries[(i * 263) % entries.size()];  // in an order that mixes them
    for (const std::string& key : {inline_key, long_key}) {
      REQUIRE(keydir.put(key, keydir.hash(key), entry) == former);
      REQUIRE(keydir.find(key, keydir.hash(key)) == entry);
    }
    REQUIRE(keydir.find("before", keydir.hash("before")) == entry_at(1));
    REQUIRE(keydir.find("after", keydir.hash("after")) == entry_at(3));
    REQUIRE(keydir.expiring() == (entry.expiry_ms != 0 ? 2 : 0));
    former = entry;
  }
}

TEST_CASE("relocate moves a value only from where it is") {
  Keydir keydir{HashSeed::random()};
  KeydirEntry entry = entry_at(10, 5000);
  entry.access = 77;
  put(keydir, "a", entry);
  const uint64_t hash = keydir.hash("a");
  CHECK_FALSE(keydir.relocate(hash, Location::at(1, 11), Location::at(2, 20)));
  CHECK(keydir.find("a", hash) == entry);
  for (Location to :
       {Location::at(2, 20), Location::at(1 << 20, Location::kMaxOffset), Location::at(3, 30)}) {
    CHECK(keydir.relocate(hash, entry.where, to));
    entry.where = to;
    CHECK(keydir.find("a", hash) == entry);
  }
  CHECK(keydir.find_at(hash, entry.where) == entry);
  CHECK_FALSE(keydir.find_at(hash, Location::at(2, 20)));
}

TEST_CASE("set_access changes nothing else") {
  Keydir keydir{HashSeed::random()};
  KeydirEntry entry = entry_at(10, 5000);
  put(keydir, "a", entry);
  CHECK(keydir.set_access("a", keydir.hash("a"), KeydirEntry::kMaxAccess));
  entry.access = KeydirEntry::kMaxAccess;
  CHECK(keydir.find("a", keydir.hash("a")) == entry);
  CHECK_FALSE(keydir.set_access("b", keydir.hash("b"), 1));
}

TEST_CASE("a keydir agrees with a map under random operations, growing and shrinking") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  Checked checked(seed);
  constexpr size_t kDistinct = 20000;
  for (int phase = 0; phase < 6; ++phase) {
    const size_t removals = phase % 2 == 0 ? 2 : 8;  // in ten
    for (int step = 0; step < 40000; ++step) {
      const std::string key = checked.random_key(kDistinct);
      const uint64_t hash = checked.keydir.hash(key);
      const auto expected = checked.find_in_model(key);
      switch (checked.below(4)) {
        case 0:
          REQUIRE(checked.find(key) == expected);
          if (expected) REQUIRE(checked.keydir.find_at(hash, expected->where) == expected);
          break;
        case 1: {
          const KeydirEntry other = checked.random_entry();
          const bool right = checked.below(2) == 0 && expected;
          const Location from = right ? expected->where : other.where;
          const bool moved = checked.keydir.relocate(hash, from, other.where);
          REQUIRE(moved == (expected && expected->where == from));
          if (moved) checked.model[key].where = other.where;
          REQUIRE(checked.keydir.set_access(key, hash, other.access) == expected.has_value());
          if (expected) checked.model[key].access = other.access;
          break;
        }
        default:
          if (checked.below(10) < removals) {
            checked.remove(key);
          } else {
            checked.put(key, checked.random_entry());
          }
      }
    }
    checked.check_all();
  }
  while (!checked.model.empty()) checked.remove(std::string(checked.model.begin()->first));
  CHECK(checked.keydir.memory_bytes() < kKeptWhenEmpty);
}

TEST_CASE("a page tells apart any number of keys of the same hash") {
  KeydirPages pages;
  pages.push_back();
  for (size_t i = 1; i <= 2000; ++i) pages.add(0, numbered(i), 42, entry_at(i));
  for (size_t i = 1; i <= 2000; ++i) {
    const auto slot = pages[0]->find(numbered(i), 42);
    REQUIRE(slot);
    REQUIRE(KeydirPage::decode(*slot) == entry_at(i));
    pages.remove(0, *slot);
  }
  CHECK(pages[0] == nullptr);
}

TEST_CASE("a page tells long keys of the same hash or of the same bytes apart") {
  const std::string bytes(1000, 'x');
  const std::string_view longer = bytes;
  const std::string_view shorter = longer.substr(0, 500);
  KeydirPages pages;
  pages.push_back();
  pages.add(0, longer, 42, entry_at(1));
  CHECK_FALSE(pages[0]->find(shorter, 42));
  CHECK_FALSE(pages[0]->find(longer, 42 + 256));  // of the same tag
  pages.add(0, shorter, 42, entry_at(2));
  CHECK(KeydirPage::decode(*pages[0]->find(longer, 42)) == entry_at(1));
  CHECK(KeydirPage::decode(*pages[0]->find(shorter, 42)) == entry_at(2));
}

TEST_CASE("a page that is split or joined whole is still found when its block is moved") {
  KeydirPages pages;
  for (int i = 0; i < 3; ++i) pages.push_back();
  const auto find = [&](size_t number, std::string_view key) {
    return pages[number] == nullptr ? std::nullopt : pages[number]->find(key, 1);
  };
  pages.add(1, "a", 1, entry_at(1));
  pages.add(0, "b", 1, entry_at(2));
  const uint8_t all[] = {1};
  pages.split(0, all);  // "b" goes to page 2, and its block lies behind that of "a"
  CHECK(pages[0] == nullptr);
  pages.remove(1, *find(1, "a"));
  CHECK(find(2, "b")->entry == pages[2]->first().entry);
  CHECK(KeydirPage::decode(*find(2, "b")) == entry_at(2));
  CHECK(pages[0] == nullptr);

  pages.add(1, "c", 1, entry_at(3));
  pages.add(0, "d", 1, entry_at(4));
  pages.remove(2, *find(2, "b"));  // moves "d" before "c"
  pages.push_back();
  pages.add(3, "e", 1, entry_at(5));
  pages.join(2);
  CHECK(pages[3] == nullptr);
  pages.remove(1, *find(1, "c"));  // moves "e"
  CHECK(KeydirPage::decode(*find(0, "d")) == entry_at(4));
  CHECK(KeydirPage::decode(*find(2, "e")) == entry_at(5));
  CHECK(pages[3] == nullptr);
}

TEST_CASE("entries that become shorter give memory back") {
  Keydir keydir{HashSeed::random()};
  KeydirEntry entry = entry_at(1);
  for (size_t i = 0; i < 10000; ++i) put(keydir, numbered(i), entry);
  const size_t before = keydir.memory_bytes();
  entry.expiry_ms = 5;
  entry.collection = 5;
  for (size_t i = 0; i < 10000; ++i) put(keydir, numbered(i), entry);
  CHECK(keydir.memory_bytes() > before + 150000);
  for (size_t i = 0; i < 10000; ++i) put(keydir, numbered(i), entry_at(1));
  CHECK(keydir.memory_bytes() < before + 40000);
}

TEST_CASE("a scan visits every key that stays, however the table grows and shrinks") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 30; ++round) {
    Keydir keydir{HashSeed::random()};
    for (size_t i = 0; i < 1000; ++i) put(keydir, numbered(i), entry_at(i + 1));
    size_t others = random() % 20000;
    const auto resize_to = [&](size_t wanted) {
      for (; others < wanted; ++others)
        put(keydir, std::string("other").append(numbered(others)), entry_at(1));
      for (; others > wanted; --others)
        remove(keydir, std::string("other").append(numbered(others - 1)));
    };
    for (size_t i = 0; i < others; ++i)
      put(keydir, std::string("other").append(numbered(i)), entry_at(1));

    std::vector<bool> seen(1000);
    uint64_t cursor = 0;
    do {
      cursor = keydir.scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
        if (key[0] == 'k') seen[entry.where.offset() - 1] = true;
      });
      REQUIRE(cursor % (1 << 20) == 0);
      if (random() % 8 == 0) resize_to(random() % 20000);
    } while (cursor != 0);
    REQUIRE(std::count(seen.begin(), seen.end(), true) == 1000);
  }
}

TEST_CASE("a scan ends, from any cursor that a client may make up") {
  Keydir keydir{HashSeed::random()};
  for (size_t i = 0; i < 3000; ++i) put(keydir, numbered(i), entry_at(1));
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    uint64_t cursor = i == 0 ? ~uint64_t{0} : random();
    int steps = 0;
    do {
      cursor = keydir.scan(cursor, [](std::string_view, const KeydirEntry&) {});
    } while (cursor != 0 && ++steps < 1000);
    REQUIRE(cursor == 0);
  }
}

TEST_CASE("random keys are near uniform, and are found when nearly all others are gone") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  Keydir keydir{HashSeed::random()};
  constexpr size_t kKeys = 3000;
  constexpr int kMean = 300;
  for (size_t i = 0; i < kKeys; ++i) put(keydir, numbered(i), entry_at(i + 1));
  std::vector<int> drawn(kKeys);
  for (size_t i = 0; i < kKeys * kMean; ++i) {
    const auto key = keydir.random(random());
    REQUIRE(key);
    REQUIRE(key->first == numbered(key->second.where.offset() - 1));
    drawn[key->second.where.offset() - 1]++;
  }
  // The deviation of a count is 17 of 300; six of them leave a chance of 1 in 10^5 to fail.
  CHECK(*std::min_element(drawn.begin(), drawn.end()) > kMean - 105);
  CHECK(*std::max_element(drawn.begin(), drawn.end()) < kMean + 115);

  for (size_t i = 10; i < kKeys; ++i) remove(keydir, numbered(i));
  std::set<std::string> left;
  for (int i = 0; i < 1000; ++i) left.emplace(keydir.random(random())->first);
  CHECK(left.size() == 10);
}

TEST_CASE("random_expiring finds the keys with an expiry, many or few, and only them") {
  Keydir keydir{HashSeed::random()};
  CHECK_FALSE(keydir.random_expiring(random()));
  for (size_t i = 0; i < 20000; ++i) put(keydir, numbered(i), entry_at(i + 1));
  CHECK_FALSE(keydir.random_expiring(random()));
  for (const size_t expiring : {size_t{3}, size_t{500}, size_t{10000}}) {
    KeydirEntry entry = entry_at(1);
    entry.expiry_ms = 1000;
    for (size_t i = 0; i < expiring; ++i) put(keydir, numbered(i), entry);
    std::set<std::string> drawn;
    for (int i = 0; i < 2000; ++i) {
      const auto found = keydir.random_expiring(random());
      REQUIRE(found);
      REQUIRE(found->second.expiry_ms == 1000);
      drawn.emplace(found->first);
    }
    // 2000 even draws would miss 9 of 500; these are near-uniform, by page.
    CHECK(drawn.size() >= std::min<size_t>(expiring, 400));
  }
  for (size_t i = 1; i < 10000; ++i) remove(keydir, numbered(i));
  CHECK(keydir.random_expiring(random())->first == numbered(0));
  // What was looked at is still found when its time comes.
  // One call looks at some pages only, and here most are stale.
  size_t due = 0;
  for (int i = 0; i < 20; ++i) {
    due += keydir.visit_due(1000, 10, [](std::string_view, const KeydirEntry&) {});
    if (due > 0) break;
  }
  CHECK(due == 1);
}

TEST_CASE("reserve makes room without keys") {
  Keydir keydir{HashSeed::random()};
  keydir.reserve(100000);
  const size_t empty = keydir.memory_bytes();
  CHECK(empty < 100000);
  put(keydir, "one", entry_at(1));
  CHECK(keydir.random(7)->first == "one");
  for (size_t i = 0; i < 100000; ++i) put(keydir, numbered(i), entry_at(i + 1));
  for (size_t i = 0; i < 100000; ++i) {
    REQUIRE(keydir.find(numbered(i), keydir.hash(numbered(i))) == entry_at(i + 1));
  }
  keydir.reserve(400000);
  for (size_t i = 0; i < 100000; ++i) REQUIRE(remove(keydir, numbered(i)) == entry_at(i + 1));
  CHECK(keydir.random(8)->first == "one");
}

TEST_CASE("a key costs at most 24 bytes beyond its own, 16 more with an expiry") {
  for (int64_t expiry_ms : {0, 1}) {
    Keydir keydir{HashSeed::random()};
    char key[17];
    const auto put_all = [&](uint32_t value_size) {
      for (int i = 0; i < 200000; ++i) {
        std::snprintf(key, sizeof key, "%016d", i);
        KeydirEntry entry = entry_at(static_cast<uint64_t>(i) + 1, expiry_ms * (i + 1));
        entry.value_size = value_size;
        put(keydir, key, entry);
      }
    };
    const auto overhead = [&] { return keydir.memory_bytes() / keydir.size() - 16; };
    put_all(100);
    CHECK(overhead() <= (expiry_ms != 0 ? 40 : 24));
    put_all(10000);
    CHECK(overhead() <= (expiry_ms != 0 ? 40 : 24));
    for (int i = 0; i < 200000; i += 2) {
      std::snprintf(key, sizeof key, "%016d", i);
      remove(keydir, key);
    }
    CHECK(overhead() <= (expiry_ms != 0 ? 40 : 24));
  }
}

TEST_CASE("a keydir of few keys has its memory from malloc, one of many from chunks") {
  Keydir keydir{HashSeed::random()};
  size_t count = 0;
  for (; keydir.mapped_bytes() == 0 && count < 10000; ++count) {
    put(keydir, numbered(count), entry_at(count + 1));
    put(keydir, long_numbered(count), entry_at(count + 1));
  }
  CHECK(count > 1000);
  CHECK(count < 10000);
  const auto check_all = [&] {
    for (size_t i = 0; i < count; ++i) {
      REQUIRE(keydir.find(numbered(i), keydir.hash(numbered(i))) == entry_at(i + 1));
      const std::string long_key = long_numbered(i);
      REQUIRE(keydir.find(long_key, keydir.hash(long_key)) == entry_at(i + 1));
    }
  };
  check_all();
  for (; count < 10000; ++count) {
    put(keydir, numbered(count), entry_at(count + 1));
    put(keydir, long_numbered(count), entry_at(count + 1));
  }
  check_all();
  // All but the long keys' blocks, and directories.
  CHECK(keydir.memory_bytes() > keydir.mapped_bytes());
}

TEST_CASE("a dropped keydir is freed in slices") {
  Keydir keydir{HashSeed::random()};
  for (size_t i = 0; i < 5000; ++i) {
    put(keydir, numbered(i) + std::string(i % 300, 'x'), entry_at(1, 5));
  }
  size_t before = keydir.memory_bytes();
  int slices = 0;
  while (!keydir.release_some(10)) {
    CHECK(keydir.memory_bytes() <= before);
    before = keydir.memory_bytes();
    ++slices;
  }
  CHECK(slices > 5);
  CHECK(keydir.memory_bytes() == 0);
}

TEST_CASE("keydirs are swapped and moved whole") {
  Keydir a{HashSeed::random()};
  Keydir b{HashSeed::random()};
  for (size_t i = 0; i < 500; ++i) put(a, numbered(i), entry_at(1, 9));
  a.swap(b);
  CHECK(a.size() == 0);
  CHECK(a.memory_bytes() == 0);
  CHECK(b.find("k7", b.hash("k7")) == entry_at(1, 9));
  Keydir c = std::move(b);
  CHECK(c.visit_due(9, 1000, [](std::string_view, const KeydirEntry&) {}) == 500);
  b = std::move(c);
  CHECK(b.size() == 500);
}

TEST_CASE("a key is due from its very millisecond on, past times included") {
  Keydir keydir{HashSeed::random()};
  const auto due = [&](int64_t now_ms) {
    std::set<std::string> keys;
    keydir.visit_due(now_ms, 100, [&](std::string_view key, const KeydirEntry& entry) {
      CHECK(entry.expiry_ms <= now_ms);
      keys.insert(std::string(key));
      remove(keydir, key);
    });
    return keys;
  };
  using Keys = std::set<std::string>;
  put(keydir, "never", entry_at(1));
  put(keydir, "before the epoch", entry_at(1, -5));
  put(keydir, "a", entry_at(1, 1700000000999));
  put(keydir, "b", entry_at(1, 1700000001000));
  put(keydir, "extended", entry_at(1, 1700000000500));
  put(keydir, "extended", entry_at(1, 1700000002000));
  put(keydir, "shortened", entry_at(1, 1700000009000));
  put(keydir, "shortened", entry_at(1, 1700000001000));
  put(keydir, "persisted", entry_at(1, 1700000000000));
  put(keydir, "persisted", entry_at(1));
  CHECK(keydir.expiring() == 5);
  CHECK(due(-6) == Keys{});
  CHECK(due(0) == Keys{"before the epoch"});
  CHECK(due(1700000000998) == Keys{});
  CHECK(due(1700000000999) == Keys{"a"});
  CHECK(due(1700000000999) == Keys{});
  CHECK(due(1700000001000) == Keys{"b", "shortened"});
  CHECK(due(1700000001999) == Keys{});
  CHECK(due(1700000002000) == Keys{"extended"});
  CHECK(due(ExpiryIndex::kNever) == Keys{});
  CHECK(keydir.size() == 2);
}

TEST_CASE("keys due in one instant are visited in slices of the limit") {
  Keydir keydir{HashSeed::random()};
  for (size_t i = 0; i < 10000; ++i) put(keydir, numbered(i), entry_at(1, 1000));
  size_t left = 10000;
  while (left > 0) {
    size_t calls = 0;
    const size_t visited = keydir.visit_due(1000, 7, [&](std::string_view key, const KeydirEntry&) {
      ++calls;
      CHECK(remove(keydir, key));
    });
    REQUIRE(visited == calls);
    REQUIRE(visited == std::min<size_t>(7, left));
    left -= visited;
  }
  CHECK(keydir.memory_bytes() < kKeptWhenEmpty);
}

TEST_CASE("a visitor may leave a due key, put it again, or remove others") {
  Keydir keydir{HashSeed::random()};
  for (size_t i = 0; i < 2000; ++i) put(keydir, numbered(i), entry_at(1, 1000));
  const auto leave = [](std::string_view, const KeydirEntry&) {};
  CHECK(keydir.visit_due(1000, 5000, leave) == 2000);
  CHECK(keydir.visit_due(1000, 5000, leave) == 2000);
  const auto extend = [&](std::string_view key, const KeydirEntry& entry) {
    KeydirEntry later = entry;
    later.expiry_ms = 2000;
    put(keydir, std::string(key), later);
  };
  CHECK(keydir.visit_due(1000, 5000, extend) == 2000);
  CHECK(keydir.visit_due(1999, 5000, leave) == 0);
  const auto remove_all = [&](std::string_view, const KeydirEntry&) {
    for (size_t i = 0; i < 2000; ++i) remove(keydir, numbered(i));
  };
  CHECK(keydir.visit_due(2000, 5000, remove_all) == 1);
  CHECK(keydir.size() == 0);
}

TEST_CASE("changing an expiry for ever costs no memory") {
  Keydir keydir{HashSeed::random()};
  for (size_t i = 0; i < 100; ++i) put(keydir, numbered(i), entry_at(1, 50000));
  const size_t memory = keydir.memory_bytes();
  for (int64_t i = 0; i < 100000; ++i) {
    put(keydir, "k7", entry_at(1, i % 2 == 0 ? 100000 : 50000));
    put(keydir, "k8", entry_at(1, 100000 - i));
    put(keydir, "k9", entry_at(1, 100000 + i));
  }
  CHECK(keydir.memory_bytes() == memory);
}

TEST_CASE("exactly the due keys are visited as time goes by, under random operations") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  Checked checked(seed);
  int64_t now_ms = 0;
  for (int step = 0; step < 60000; ++step) {
    const std::string key = checked.random_key(step < 30000 ? 8000 : 200);
    if (checked.below(4) == 0) {
      checked.remove(key);
    } else {
      KeydirEntry entry = checked.random_entry();
      if (entry.expiry_ms != 0) entry.expiry_ms += now_ms - 100;
      checked.put(key, entry);
    }
    if (step % 50 != 0) continue;
    now_ms += static_cast<int64_t>(checked.below(300));
    const size_t limit = checked.below(20) + 1;
    size_t visited;
    do {
      visited = checked.keydir.visit_due(now_ms, limit,
                                         [&](std::string_view due, const KeydirEntry& entry) {
                                           REQUIRE(entry.expiry_ms <= now_ms);
                                           checked.remove(std::string(due));
                                         });
      REQUIRE(visited <= limit);
    } while (visited > 0);
    for (const auto& [left, entry] : checked.model) {
      REQUIRE((entry.expiry_ms == 0 || entry.expiry_ms > now_ms));
    }
  }
  checked.check_all();
}

}  // namespace respcask::engine
