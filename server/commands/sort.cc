// SORT and SORT_RO: the elements of a list, set or sorted set in the order of their own values or
// of those of other keys.

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/sort_part.h"
#include "server/context.h"
#include "server/types/list.h"
#include "server/types/members.h"
#include "server/types/object.h"
#include "server/types/sorted_set.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

struct Options {
  bool descending = false;
  bool alphabetic = false;
  int64_t start = 0;
  int64_t count = -1;                  // negative: all
  std::optional<std::string_view> by;  // a pattern to sort by
  bool unsorted = false;               // BY something that is no pattern
  std::vector<std::string_view> get;
  std::optional<size_t> store;  // the argument
};

enum class Variant : uint8_t { kSort, kReadonly };

// Which keys a pattern leads to is known only when the elements are; the error is replied.
bool may_read_every_key(Context& c, std::string_view option) {
  if (c.may_read_every_key()) return true;
  c.error(fmt::format("ERR {} option of SORT denied due to insufficient ACL permissions.", option));
  return false;
}

// Nothing, and the error replied, if they make no sense.
std::optional<Options> parse_options(Context& c, Variant variant) {
  Options options;
  for (size_t i = 2; i < c.argc(); ++i) {
    const size_t left = c.argc() - i - 1;
    if (c.arg_is(i, "ASC")) {
      options.descending = false;
    } else if (c.arg_is(i, "DESC")) {
      options.descending = true;
    } else if (c.arg_is(i, "ALPHA")) {
      options.alphabetic = true;
    } else if (left >= 2 && c.arg_is(i, "LIMIT")) {
      const auto start = c.integer_arg(i + 1);
      if (!start) return std::nullopt;
      const auto count = c.integer_arg(i + 2);
      if (!count) return std::nullopt;
      options.start = *start;
      options.count = *count;
      i += 2;
    } else if (variant == Variant::kSort && left >= 1 && c.arg_is(i, "STORE")) {
      options.store = ++i;
    } else if (left >= 1 && c.arg_is(i, "BY")) {
      options.by = c.arg(++i);
      if (options.by->find('*') == std::string_view::npos) {
        options.unsorted = true;
      } else if (!may_read_every_key(c, "BY")) {
        return std::nullopt;
      }
    } else if (left >= 1 && c.arg_is(i, "GET")) {
      options.get.push_back(c.arg(++i));
      if (!may_read_every_key(c, "GET")) return std::nullopt;
    } else {
      c.syntax_error();
      return std::nullopt;
    }
  }
  return options;
}

// What patterns say of elements. What it gives is valid until the command changes a key.
class LookUp {
 public:
  explicit LookUp(Context& c) : c_(c) {}

  // The element itself for "#", else what the key holds that comes of putting the element in the
  // place of the first '*', or the field of that hash that follows "->". Nothing if that is not
  // there, or not ready.
  std::optional<std::string_view> operator()(std::string_view pattern, std::string_view element) {
    if (pattern == "#") return element;
    const size_t star = pattern.find('*');
    if (star == std::string_view::npos) return std::nullopt;
    std::string_view behind = pattern.substr(star + 1);
    std::optional<std::string_view> field;
    if (const size_t arrow = behind.find("->");
        arrow != std::string_view::npos && arrow + 2 < behind.size()) {
      field = behind.substr(arrow + 2);
      behind = behind.substr(0, arrow);
    }
    name_.assign(pattern.substr(0, star)).append(element).append(behind);
    const KeyRef key = c_.key_named(name_, c_.db());
    const auto entry = c_.find(key);
    if (!entry) return std::nullopt;
    const Type type = TypeTag{entry->type}.type();
    if (!field) {
      if (type != Type::kString) return std::nullopt;
      return entry->collection == 0 ? c_.read(key, *entry) : in_chunks(key, *entry);
    }
    if (type != Type::kHash) return std::nullopt;
    const Members hash(c_, key, *entry);
    // What an earlier look-up has asked for is no reason not to ask for this one along with it.
    if (!hash.is_split() && !c_.ready()) return std::nullopt;
    const auto member = hash.find(*field);
    if (!member) return std::nullopt;
    return hash.value(*member);
  }

 private:
  // Put together once, however many elements lead to it.
  std::string_view in_chunks(const KeyRef& key, const engine::KeydirEntry& entry) {
    const auto [whole, is_new] = whole_.try_emplace(std::string(key.name));
    if (is_new) read_string(c_, key, entry, whole->second);
    return whole->second;
  }

  Context& c_;
  std::string name_;
  std::unordered_map<std::string, std::string> whole_;
};

struct Item {
  std::string element;
  double score = 0;
  std::optional<std::string_view> weight;  // where the order is alphabetic by a pattern
};

// As C's strtod over the whole text; nothing if it is no number.
std::optional<double> parse_score(std::string_view text) {
  // Most are whole numbers that a double holds exactly.
  constexpr size_t kExactDigits = 15;
  int64_t whole = 0;
  if (text.size() <= kExactDigits) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
    if (error == std::errc() && end == text.data() + text.size()) return static_cast<double>(whole);
  }
  char* end = nullptr;
  errno = 0;
  const std::string ended(text);
  const double score = std::strtod(ended.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(score)) return std::nullopt;
  return score;
}

// As C's strcoll in the C locale, which ends at a NUL: what Redis compares by unless it stores.
int collate(std::string_view a, std::string_view b) {
  return a.substr(0, a.find('\0')).compare(b.substr(0, b.find('\0')));
}

// Of texts.
class TextOrder {
 public:
  explicit TextOrder(const Options& options) : options_(options) {}
  // Negative: `a` comes first; 0: they are equal.
  int operator()(const Item& a, const Item& b) const {
    return options_.descending ? compare(b, a) : compare(a, b);
  }

 private:
  int compare(const Item& a, const Item& b) const {
    if (!options_.by) return compare_text(a.element, b.element);
    if (!a.weight || !b.weight) return int{a.weight.has_value()} - int{b.weight.has_value()};
    return compare_text(*a.weight, *b.weight);
  }
  int compare_text(std::string_view a, std::string_view b) const {
    return options_.store ? a.compare(b) : collate(a, b);
  }

  const Options& options_;
};

// What each item is to be sorted by. False if one has no number.
bool weigh(LookUp& look_up, const Options& options, std::vector<Item>& items) {
  bool good = true;
  for (Item& item : items) {
    if (options.alphabetic && !options.by) continue;
    std::optional<std::string_view> found;
    if (options.by) {
      found = look_up(*options.by, item.element);
      if (!found) continue;
    }
    if (options.alphabetic) {
      item.weight = found;
    } else if (const auto score = parse_score(found ? *found : item.element)) {
      item.score = *score;
    } else {
      good = false;
    }
  }
  return good;
}

// Of `length` items those that LIMIT leaves.
std::pair<size_t, size_t> limit(const Options& options, size_t length) {
  const auto signed_length = static_cast<int64_t>(length);
  const int64_t start = std::clamp<int64_t>(options.start, 0, signed_length);
  const int64_t most = signed_length - start;
  const int64_t count = options.count < 0 ? most : std::min(options.count, most);
  return {static_cast<size_t>(start), static_cast<size_t>(start + count)};
}

// By numbers, where only items that are the same tie: all that matters of an item is its number.
void order_by_number(const Options& options, std::vector<Item>& items, size_t begin, size_t end) {
  struct Numbered {
    double score;
    Item* item;
  };
  std::vector<Numbered> order;
  order.reserve(items.size());
  for (Item& item : items) order.push_back({item.score, &item});
  const auto ascending = [](const Numbered& a, const Numbered& b) {
    return a.score != b.score ? a.score < b.score : a.item->element < b.item->element;
  };
  const auto sort = [&](const auto& less) {
    constexpr size_t kSmallPart = 8;  // one in so many
    if (end <= order.size() / kSmallPart) {
      std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(end), order.end(),
                        less);
    } else {
      std::sort(order.begin(), order.end(), less);
    }
  };
  if (options.descending) {
    sort([&](const Numbered& a, const Numbered& b) { return ascending(b, a); });
  } else {
    sort(ascending);
  }
  std::vector<Item> in_order(items.size());
  for (size_t i = begin; i < end; ++i) in_order[i] = std::move(*order[i].item);
  items.swap(in_order);
}

// Only [begin, end) has to be right, and what is outside is lost.
void put_in_order(const Options& options, std::vector<Item>& items, size_t begin, size_t end) {
  if (!options.alphabetic) return order_by_number(options, items, begin, end);
  const TextOrder order(options);
  if (options.by && begin < end && end - begin < items.size()) {
    return sort_part(std::span(items), begin, end, order);
  }
  std::stable_sort(items.begin(), items.end(),
                   [&](const Item& a, const Item& b) { return order(a, b) < 0; });
}

// What is made of each item until its place is found: it is moved about.
constexpr uint64_t kItemBytes = 3 * sizeof(Item);

// The whole object, in the order in which it has them; meaningless if not ready.
std::vector<Item> all_items(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  rdb::Value value = object_type(entry).read(c, key, entry);
  std::vector<Item> items;
  const auto take = [&](auto& elements, const auto& text) {
    if (!c.ready() || !c.hold(elements.size() * kItemBytes)) return;
    items.reserve(elements.size());
    for (auto& element : elements) items.push_back({std::move(text(element)), 0, {}});
  };
  const auto itself = [](std::string& element) -> std::string& { return element; };
  if (auto* list = std::get_if<rdb::List>(&value)) {
    take(list->elements, itself);
  } else if (auto* set = std::get_if<rdb::Set>(&value)) {
    take(set->members, itself);
  } else {
    take(std::get<rdb::SortedSet>(value).members,
         [](std::pair<std::string, double>& member) -> std::string& { return member.first; });
  }
  return items;
}

// What LIMIT leaves of a list or sorted set that is not sorted; no more is read. Meaningless if not
// ready.
std::vector<Item> items_as_they_are(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                                    const Options& options) {
  std::vector<Item> items;
  const auto take = [&](std::string_view element) {
    if (!c.hold(kItemBytes) || !c.hold_text(element.size())) return false;
    items.push_back({std::string(element), 0, {}});
    return true;
  };
  if (TypeTag{entry.type}.type() == Type::kSortedSet) {
    const SortedSet set(c, key, entry);
    const uint64_t size = set.size();
    const auto [begin, end] = limit(options, size);
    const auto take_member = [&](const ScoredMember& m) { take(m.member); };
    if (options.descending) {
      set.visit(size - end, size - begin, Order::kDescending, take_member);
    } else {
      set.visit(begin, end, Order::kAscending, take_member);
    }
    return items;
  }
  ListReader list(c, key, entry);
  const uint64_t length = list.length();
  const auto [begin, end] = limit(options, length);
  if (options.descending) {
    list.visit_backward(length - end, length - begin, ListReader::Extent::kAll, take);
  } else {
    list.visit_forward(begin, end, ListReader::Extent::kAll, take);
  }
  return items;
}

// What is asked for of the items, in order; nothing stands for what is not there. Meaningless if
// not ready.
using Results = std::vector<std::optional<std::string_view>>;
Results results_of(Context& c, LookUp& look_up, const Options& options,
                   std::span<const Item> items) {
  Results results;
  const uint64_t count = items.size() * std::max<size_t>(options.get.size(), 1);
  if (!c.hold(count * sizeof(results[0]))) return results;
  results.reserve(count);
  for (const Item& item : items) {
    if (options.get.empty()) results.emplace_back(item.element);
    for (std::string_view pattern : options.get) results.push_back(look_up(pattern, item.element));
  }
  return results;
}

// The same in strings of their own, which stay when the command changes a key.
std::optional<rdb::List> own(Context& c, const Results& results) {
  rdb::List list;
  list.elements.reserve(results.size());
  for (const auto& result : results) {
    if (!c.hold_text(result ? result->size() : 0)) return std::nullopt;
    list.elements.emplace_back(result.value_or(std::string_view()));
  }
  return list;
}

void store(Context& c, const KeyRef& key, const rdb::List& list) {
  if (list.elements.empty()) {
    c.remove_destination(key);
    return c.reply().integer(0);
  }
  if (!overwrite_object(c, key, list)) return;
  c.notify(EventClass::kList, "sortstore", key);
  c.reply().integer(static_cast<int64_t>(list.elements.size()));
}

void reply_results(Context& c, const Results& results) {
  constexpr uint64_t kHeaderBytes = 16;
  uint64_t bytes = 0;
  for (const auto& result : results) bytes += kHeaderBytes + (result ? result->size() : 0);
  if (!c.hold(2 * bytes)) return;  // it is copied to grow
  c.reply().array(results.size());
  for (const auto& result : results) {
    if (result) {
      c.reply().bulk(*result);
    } else {
      c.reply().bulk_null();
    }
  }
}

void sort(Context& c, Variant variant) {
  std::optional<Options> options = parse_options(c, variant);
  if (!options) return;
  const KeyRef key = c.key(1);
  const auto entry = c.find(key);
  const Type type = entry ? TypeTag{entry->type}.type() : Type::kList;
  if (type != Type::kList && type != Type::kSet && type != Type::kSortedSet) return c.wrong_type();
  const bool as_they_are = options->unsorted && type != Type::kSet;
  std::vector<Item> items;
  if (entry) {
    items = as_they_are ? items_as_they_are(c, key, *entry, *options) : all_items(c, key, *entry);
    if (!c.ready()) return;
  }
  // A set has no order to be kept: what is stored of it is sorted all the same, so that it is
  // always stored alike.
  if (options->unsorted && type == Type::kSet && options->store) {
    options->unsorted = false;
    options->alphabetic = true;
    options->by.reset();
  }
  // As in Redis, which does it for SORT_RO too; but that is not to write here.
  const bool converts = type == Type::kSortedSet && variant == Variant::kSort &&
                        TypeTag{entry->type}.encoding() != Encoding::kPlain;
  const auto convert = [&] { return !converts || make_skiplist(c, key, *entry); };
  const auto [begin, end] =
      as_they_are ? std::pair(size_t{0}, items.size()) : limit(*options, items.size());
  LookUp look_up(c);
  if (!options->unsorted) {
    const bool good = weigh(look_up, *options, items);
    if (!c.ready()) return;
    if (!good) {
      if (convert()) c.error("ERR One or more scores can't be converted into double");
      return;
    }
    put_in_order(*options, items, begin, end);
  }
  Results results = results_of(c, look_up, *options, std::span(items).subspan(begin, end - begin));
  if (!c.ready()) return;
  if (!options->store && !converts) return reply_results(c, results);
  const auto owned = own(c, results);
  if (!owned || !convert()) return;
  if (options->store) return store(c, c.key(*options->store), *owned);
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i]) results[i] = owned->elements[i];
  }
  reply_results(c, results);
}

void cmd_sort(Context& c) {
  sort(c, Variant::kSort);
}
void cmd_sort_ro(Context& c) {
  sort(c, Variant::kReadonly);
}

// The key, and that behind the last STORE. What the patterns stand for is known only when the key
// has been read; that is why with patterns SORT runs with every shard locked.
bool find_sort_keys(std::span<const std::string_view> args, std::vector<KeyPosition>& keys) {
  keys.push_back({1, kRO | kAccess});
  int target = 0;
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t left = args.size() - i - 1;
    if (is_word(args[i], "limit")) {
      i += 2;
    } else if (is_word(args[i], "get") || is_word(args[i], "by")) {
      ++i;
    } else if (left >= 1 && is_word(args[i], "store")) {
      target = static_cast<int>(++i);
    }
  }
  if (target != 0) keys.push_back({target, kOW | kUpdate});
  return true;
}

bool find_sort_ro_keys(std::span<const std::string_view>, std::vector<KeyPosition>& keys) {
  keys.push_back({1, kRO | kAccess});
  return true;
}

constexpr KeySpec kSortKeys[] = {
    {.flags = kRO | kAccess, .index = 1},
    {.flags = kRO | kAccess,
     .notes = "For the optional BY/GET keyword. It is marked 'unknown' because the key names "
              "derive from the content of the key we sort",
     .find = KeySpec::Find::kUnknown},
    {.flags = kOW | kUpdate,
     .notes = "For the optional STORE keyword. It is marked 'unknown' because the keyword can "
              "appear anywhere in the argument array",
     .find = KeySpec::Find::kUnknown},
};
constexpr Argument kSortArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "pattern",
     .type = ArgType::kPattern,
     .key_spec = 1,
     .token = "BY",
     .flags = kOptional},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
    {.name = "pattern",
     .type = ArgType::kPattern,
     .key_spec = 1,
     .token = "GET",
     .flags = kOptional | kMultiple | kMultipleToken},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
    {.name = "sorting", .type = ArgType::kPureToken, .token = "ALPHA", .flags = kOptional},
    {.name = "destination",
     .type = ArgType::kKey,
     .key_spec = 2,
     .token = "STORE",
     .flags = kOptional},
};
constexpr KeySpec kSortRoKeys[] = {
    {.flags = kRO | kAccess, .index = 1},
    {.flags = kRO | kAccess,
     .notes = "For the optional BY/GET keyword. It is marked 'unknown' because the key names "
              "derive from the content of the key we sort",
     .find = KeySpec::Find::kUnknown},
};
constexpr Argument kSortRoArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "pattern",
     .type = ArgType::kPattern,
     .key_spec = 1,
     .token = "BY",
     .flags = kOptional},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
    {.name = "pattern",
     .type = ArgType::kPattern,
     .key_spec = 1,
     .token = "GET",
     .flags = kOptional | kMultiple | kMultipleToken},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
    {.name = "sorting", .type = ArgType::kPureToken, .token = "ALPHA", .flags = kOptional},
};
constexpr Command kSortRows[] = {
    {.name = "sort",
     .handler = cmd_sort,
     .arity = -2,
     .flags = kWrite | kDenyOom | kPatterns,
     .keys = kSortKeys,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity =
         "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the "
         "number of returned elements. When the elements are not sorted, complexity is O(N).",
     .summary = "Sort the elements in a list, set or sorted set",
     .arguments = kSortArgs,
     .categories = kCatSet | kCatSortedSet | kCatList | kCatDangerous,
     .find_keys = find_sort_keys},
    {.name = "sort_ro",
     .handler = cmd_sort_ro,
     .arity = -2,
     .flags = kReadonly | kPatterns,
     .keys = kSortRoKeys,
     .group = Group::kGeneric,
     .since = "7.0.0",
     .complexity =
         "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the "
         "number of returned elements. When the elements are not sorted, complexity is O(N).",
     .summary = "Sort the elements in a list, set or sorted set. Read-only variant of SORT.",
     .arguments = kSortRoArgs,
     .categories = kCatSet | kCatSortedSet | kCatList | kCatDangerous,
     .find_keys = find_sort_ro_keys},
};
static_assert(check_rows(kSortRows));

}  // namespace

std::span<const Command> sort_commands() {
  return kSortRows;
}

}  // namespace respcask::server
