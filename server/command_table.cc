#include "server/command_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "resp/number.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

// The families that there are, one a line.
// clang-format off
constexpr std::span<const Command> (*kFamilies[])() = {
    acl_commands,
    bitfield_commands,
    bitmap_commands,
    bitop_commands,
    client_commands,
    cluster_commands,
    command_commands,
    config_commands,
    connection_commands,
    copy_commands,
    database_commands,
    debug_commands,
    dump_commands,
    expire_commands,
    geo_commands,
    geo_search_commands,
    hash_commands,
    hash_read_commands,
    hyperloglog_commands,
    info_commands,
    key_commands,
    latency_commands,
    lcs_commands,
    list_commands,
    list_move_commands,
    list_search_commands,
    memory_commands,
    module_commands,
    object_commands,
    pubsub_commands,
    replication_commands,
    scan_commands,
    scripting_commands,
    server_commands,
    set_algebra_commands,
    set_commands,
    slowlog_commands,
    sort_commands,
    sorted_set_algebra_commands,
    sorted_set_commands,
    sorted_set_pop_commands,
    sorted_set_range_commands,
    sorted_set_scan_commands,
    string_commands,
    string_edit_commands,
    string_set_commands,
    transaction_commands,
};
// clang-format on

// `name` is lower case.
bool same_name(std::string_view text, std::string_view name) {
  if (text.size() != name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (to_lower(text[i]) != name[i]) return false;
  }
  return true;
}

constexpr uint64_t kCaseBits = 0x2020202020202020;

}  // namespace

// Bit 5 is what tells the cases of a letter apart.
CommandTable::Name::Name(std::string_view text) : size(text.size()) {
  const size_t n = std::min<size_t>(size, sizeof head);
  std::memcpy(&head, text.data(), n);
  std::memcpy(&tail, text.data() + (size - n), n);
}

// Names begin and end differently enough for eight bytes at either end to do.
size_t CommandTable::Name::hash() const {
  const uint64_t mixed =
      ((head | kCaseBits) * 0x9e3779b97f4a7c15) ^ ((tail | kCaseBits) * 0xc2b2ae3d27d4eb4f) ^ size;
  return static_cast<size_t>(mixed ^ mixed >> 32);
}

CommandTable::Slot::Slot(std::string_view lower_case, const TableEntry* found)
    : text(lower_case), name(lower_case), entry(found) {
  const auto case_bits = [](uint64_t bytes) {
    uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 8) {
      const char c = static_cast<char>(bytes >> shift);
      if (c >= 'a' && c <= 'z') bits |= uint64_t{0x20} << shift;
    }
    return bits;
  };
  head_case = case_bits(name.head);
  tail_case = case_bits(name.tail);
}

bool CommandTable::Slot::is(const Name& other, std::string_view other_text) const {
  if (name.size != other.size || ((name.head ^ other.head) & ~head_case) != 0 ||
      ((name.tail ^ other.tail) & ~tail_case) != 0) {
    return false;
  }
  return name.size <= 2 * sizeof name.head || same_name(other_text, text);
}

namespace {

uint32_t implied_categories(uint32_t flags) {
  uint32_t categories = 0;
  if (flags & kWrite) categories |= kCatWrite;
  if (flags & kReadonly) categories |= kCatRead;
  if (flags & kAdmin) categories |= kCatAdmin | kCatDangerous;
  if (flags & kPubsub) categories |= kCatPubsub;
  if (flags & kBlocking) categories |= kCatBlocking;
  categories |= flags & kFast ? kCatFast : kCatSlow;
  return categories;
}

bool is_plain_range(const KeySpec& spec) {
  return spec.keyword.empty() && spec.index != 0 && spec.find == KeySpec::Find::kRange;
}

// The first, last and step of COMMAND INFO, from before there were key specifications: what can be
// said so of them. A command whose keys it does not tell all is "movablekeys".
void derive_range(TableEntry& entry) {
  const std::span<const KeySpec> specs = entry.row->keys;
  if (specs.empty()) return;
  if (specs.size() == 1 && is_plain_range(specs[0])) {
    const KeySpec& spec = specs[0];
    entry.first_key = spec.index;
    entry.last_key = spec.last >= 0 ? spec.index + spec.last : spec.last;
    entry.key_step = spec.step;
    if (spec.flags & kIncomplete) entry.flags |= kMovableKeys;
    entry.single_key = spec.index == 1 && spec.last == 0 && !(spec.flags & (kNotKey | kIncomplete));
    return;
  }
  int first = INT_MAX, last = 0, previous_last = 0;
  for (const KeySpec& spec : specs) {
    if (!is_plain_range(spec) || spec.step != 1 || (spec.flags & kIncomplete) ||
        (previous_last != 0 && previous_last != spec.index - 1)) {
      entry.flags |= kMovableKeys;
      continue;
    }
    first = std::min(first, spec.index);
    const int spec_last = spec.last >= 0 ? spec.last + spec.index : spec.last;
    // A negative one counts from the end of the arguments: later than any other.
    if (static_cast<unsigned>(spec_last) > static_cast<unsigned>(last)) last = spec_last;
    previous_last = last;
  }
  if (first == INT_MAX) return;
  entry.first_key = first;
  entry.last_key = last;
  entry.key_step = 1;
}

}  // namespace

const TableEntry* TableEntry::find_subcommand(std::string_view name) const {
  for (const TableEntry* sub : subcommands) {
    if (same_name(name, sub->row->name)) return sub;
  }
  return nullptr;
}

TableEntry& CommandTable::add(const Command& row, const TableEntry* parent) {
  TableEntry& entry = entries_.emplace_back();
  entry.row = &row;
  entry.parent = parent;
  entry.index = static_cast<uint32_t>(entries_.size() - 1);
  if (parent != nullptr) entry.full_name = parent->full_name + "|";
  entry.full_name += row.name;
  entry.flags = row.flags;
  entry.categories = row.categories | implied_categories(row.flags);
  derive_range(entry);
  return entry;
}

void CommandTable::add_family(std::span<const Command> rows) {
  for (const Command& row : rows) {
    TableEntry& entry = add(row, nullptr);
    for (const Command& sub : row.subcommands) entry.subcommands.push_back(&add(sub, &entry));
    std::sort(entry.subcommands.begin(), entry.subcommands.end(),
              [](auto* a, auto* b) { return a->row->name < b->row->name; });
    commands_.push_back(&entry);
  }
}

CommandTable::CommandTable(std::span<const std::pair<std::string, std::string>> renames,
                           std::span<const Command> more) {
  for (auto family : kFamilies) add_family(family());
  add_family(more);
  std::sort(commands_.begin(), commands_.end(),
            [](auto* a, auto* b) { return a->row->name < b->row->name; });

  for (const auto& rename : renames) {
    if (!rename.second.empty()) continue;
    std::erase_if(commands_,
                  [&](auto* entry) { return same_name(rename.first, entry->row->name); });
  }

  slots_.resize(std::bit_ceil(4 * (commands_.size() + renames.size()) + 1));
  for (const TableEntry* entry : commands_) {
    bool renamed = false;
    for (const auto& [from, to] : renames) {
      if (!same_name(from, entry->row->name)) continue;
      renamed = true;
      insert(names_.emplace_back(lower_case(to)), entry);
    }
    if (!renamed) insert(entry->row->name, entry);
  }
}

void CommandTable::insert(std::string_view name, const TableEntry* entry) {
  size_t slot = Name(name).hash() & (slots_.size() - 1);
  while (slots_[slot].entry != nullptr) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = Slot(name, entry);
}

const TableEntry* CommandTable::find(std::string_view text) const {
  const Name name(text);
  size_t slot = name.hash() & (slots_.size() - 1);
  for (; slots_[slot].entry != nullptr; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].is(name, text)) return slots_[slot].entry;
  }
  return nullptr;
}

const TableEntry* CommandTable::find(std::span<const std::string_view> args) const {
  const TableEntry* entry = find(args[0]);
  if (entry == nullptr || entry->subcommands.empty() || args.size() == 1) return entry;
  return entry->find_subcommand(args[1]);
}

const TableEntry* CommandTable::find_full(std::string_view full_name) const {
  const size_t bar = full_name.find('|');
  if (bar == std::string_view::npos) return find(full_name);
  const TableEntry* entry = find(full_name.substr(0, bar));
  return entry == nullptr ? nullptr : entry->find_subcommand(full_name.substr(bar + 1));
}

namespace {

// Where a specification's first key stands; 0: nowhere.
int first_key(const KeySpec& spec, std::span<const std::string_view> args) {
  if (spec.keyword.empty()) return spec.index;
  const int argc = static_cast<int>(args.size());
  // From the end the search stops before argument 1, from the beginning before the last one: a
  // keyword there has nothing behind it.
  const int begin = spec.start_from > 0 ? spec.start_from : argc + spec.start_from;
  const int end = spec.start_from > 0 ? argc - 1 : 1;
  const int step = begin <= end ? 1 : -1;
  for (int i = begin; i != end; i += step) {
    if (i >= argc || i < 0) break;
    const std::string_view word = args[static_cast<size_t>(i)];
    if (is_word(word, spec.keyword)) return i + 1;
  }
  return 0;
}

bool find_by_spec(const KeySpec& spec, std::span<const std::string_view> args,
                  std::vector<KeyPosition>& keys) {
  const int argc = static_cast<int>(args.size());
  int first = first_key(spec, args);
  if (first == 0) return false;
  int64_t last = 0;
  switch (spec.find) {
    case KeySpec::Find::kRange:
      if (spec.last >= 0) {
        last = first + spec.last;
      } else if (spec.limit == 0) {
        last = argc + spec.last;
      } else {
        last = first + ((argc - first) / spec.limit + spec.last);
      }
      break;
    case KeySpec::Find::kKeynum: {
      const int at = first + spec.keynum;
      if (at >= argc) return false;
      const std::optional<int64_t> count = resp::parse_int64(args[static_cast<size_t>(at)]);
      if (!count || *count < 0) return false;
      first += spec.first;
      // Cut to 32 bits as in Redis, whose rules for keys hold for a count that the command refuses.
      last = int64_t{first} + static_cast<int32_t>(*count) - 1;
      break;
    }
    case KeySpec::Find::kUnknown:
      return false;
  }
  if (last >= argc || last < first || first >= argc) return false;
  for (int64_t i = first; i <= last; i += spec.step) {
    keys.push_back({static_cast<int>(i), spec.flags});
  }
  return (spec.flags & kIncomplete) == 0;
}

// As atoi() reads it: what a text begins with, cut to 32 bits, 0 if that is no number.
int leading_number(std::string_view text) {
  return static_cast<int>(std::strtol(std::string(text).c_str(), nullptr, 10));
}

// Redis's second way to counted keys, where the specifications fail: it makes more of the count,
// and names the other keys after those that are counted, all of them without flags.
bool find_counted(const Command& row, std::span<const std::string_view> args,
                  std::vector<KeyPosition>& keys) {
  const auto counted = std::ranges::find(row.keys, KeySpec::Find::kKeynum, &KeySpec::find);
  if (counted == row.keys.end()) return false;
  const int argc = static_cast<int>(args.size());
  const int at = counted->index + counted->keynum;
  const int first = counted->index + counted->first;
  if (at >= argc) return false;
  const int count = leading_number(args[static_cast<size_t>(at)]);
  if (count < 1 || count > argc - first) return false;
  for (int i = 0; i < count; ++i) keys.push_back({first + i, 0});
  for (const KeySpec& spec : row.keys) {
    if (&spec != &*counted) keys.push_back({spec.index, 0});
  }
  return true;
}

}  // namespace

bool find_keys(const TableEntry& entry, std::span<const std::string_view> args,
               std::vector<KeyPosition>& keys) {
  const size_t before = keys.size();
  bool found = false, variable = false, good = true;
  for (const KeySpec& spec : entry.row->keys) {
    if (spec.flags & kNotKey) continue;
    found = true;
    if (spec.flags & kVariableFlags) variable = true;
  }
  if (!found) return true;
  if (!variable || entry.row->find_keys == nullptr) {
    for (const KeySpec& spec : entry.row->keys) {
      if (!(spec.flags & kNotKey) && !find_by_spec(spec, args, keys)) good = false;
    }
    if (good) return true;
    keys.resize(before);
  }
  const KeyFinder finder = entry.row->find_keys;
  return finder != nullptr ? finder(args, keys) : find_counted(*entry.row, args, keys);
}

bool is_word(std::string_view argument, std::string_view word) {
  if (argument.size() < word.size()) return false;
  if (argument.size() > word.size() && argument[word.size()] != '\0') return false;
  return equal_ignoring_case(argument.substr(0, word.size()), word);
}

std::string_view group_name(Group group) {
  constexpr std::string_view kNames[] = {
      "generic", "string",       "list",       "set",    "sorted-set", "hash",
      "pubsub",  "transactions", "connection", "server", "scripting",  "hyperloglog",
      "cluster", "sentinel",     "geo",        "stream", "bitmap",
  };
  return kNames[static_cast<size_t>(group)];
}

std::string_view category_name(uint32_t bit) {
  constexpr std::string_view kNames[] = {
      "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
      "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
      "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
  };
  const size_t i = static_cast<size_t>(std::countr_zero(bit));
  return i < std::size(kNames) ? kNames[i] : std::string_view();
}

std::string_view flag_name(uint32_t bit) {
  if (bit == kMayReplicate) return {};  // Redis does not show it
  constexpr std::string_view kNames[] = {
      "write",         "readonly",          "denyoom",          "module",   "admin",
      "pubsub",        "noscript",          "blocking",         "loading",  "stale",
      "skip_monitor",  "skip_slowlog",      "asking",           "fast",     "no_auth",
      "may_replicate", "no_mandatory_keys", "no_async_loading", "no_multi", "movablekeys",
      "allow_busy",
  };
  const size_t i = static_cast<size_t>(std::countr_zero(bit));
  return i < std::size(kNames) ? kNames[i] : std::string_view();
}

std::string_view key_flag_name(uint32_t bit) {
  constexpr std::string_view kNames[] = {
      "RO",     "RW",     "OW",      "RM",         "access",         "update",
      "insert", "delete", "not_key", "incomplete", "variable_flags",
  };
  const size_t i = static_cast<size_t>(std::countr_zero(bit));
  return i < std::size(kNames) ? kNames[i] : std::string_view();
}

}  // namespace respcask::server
