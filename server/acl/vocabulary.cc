#include "server/acl/vocabulary.h"

#include <algorithm>
#include <cassert>

#include "server/letter_case.h"

namespace respcask::server::acl {
namespace {

// What Redis 7.0.15 has and this server has not, and the categories that COMMAND tells of it there.
struct AbsentCommand {
  std::string_view full_name;
  uint32_t categories;
};
// clang-format off
constexpr AbsentCommand kAbsent[] = {
    {"eval", kCatSlow | kCatScripting},
    {"eval_ro", kCatSlow | kCatScripting},
    {"evalsha", kCatSlow | kCatScripting},
    {"evalsha_ro", kCatSlow | kCatScripting},
    {"failover", kCatAdmin | kCatSlow | kCatDangerous},
    {"fcall", kCatSlow | kCatScripting},
    {"fcall_ro", kCatSlow | kCatScripting},
    {"function|dump", kCatSlow | kCatScripting},
    {"function|load", kCatWrite | kCatSlow | kCatScripting},
    {"function|restore", kCatWrite | kCatSlow | kCatScripting},
    {"migrate", kCatKeyspace | kCatWrite | kCatSlow | kCatDangerous},
    {"module|load", kCatAdmin | kCatSlow | kCatDangerous},
    {"module|loadex", kCatAdmin | kCatSlow | kCatDangerous},
    {"module|unload", kCatAdmin | kCatSlow | kCatDangerous},
    {"psync", kCatAdmin | kCatSlow | kCatDangerous},
    {"replconf", kCatAdmin | kCatSlow | kCatDangerous},
    {"script|debug", kCatSlow | kCatScripting},
    {"script|load", kCatSlow | kCatScripting},
    {"sync", kCatAdmin | kCatSlow | kCatDangerous},
    {"xack", kCatWrite | kCatStream | kCatFast},
    {"xadd", kCatWrite | kCatStream | kCatFast},
    {"xautoclaim", kCatWrite | kCatStream | kCatFast},
    {"xclaim", kCatWrite | kCatStream | kCatFast},
    {"xdel", kCatWrite | kCatStream | kCatFast},
    {"xgroup", kCatSlow},
    {"xgroup|create", kCatWrite | kCatStream | kCatSlow},
    {"xgroup|createconsumer", kCatWrite | kCatStream | kCatSlow},
    {"xgroup|delconsumer", kCatWrite | kCatStream | kCatSlow},
    {"xgroup|destroy", kCatWrite | kCatStream | kCatSlow},
    {"xgroup|help", kCatStream | kCatSlow},
    {"xgroup|setid", kCatWrite | kCatStream | kCatSlow},
    {"xinfo", kCatSlow},
    {"xinfo|consumers", kCatRead | kCatStream | kCatSlow},
    {"xinfo|groups", kCatRead | kCatStream | kCatSlow},
    {"xinfo|help", kCatStream | kCatSlow},
    {"xinfo|stream", kCatRead | kCatStream | kCatSlow},
    {"xlen", kCatRead | kCatStream | kCatFast},
    {"xpending", kCatRead | kCatStream | kCatSlow},
    {"xrange", kCatRead | kCatStream | kCatSlow},
    {"xread", kCatRead | kCatStream | kCatSlow | kCatBlocking},
    {"xreadgroup", kCatWrite | kCatStream | kCatSlow | kCatBlocking},
    {"xrevrange", kCatRead | kCatStream | kCatSlow},
    {"xsetid", kCatWrite | kCatStream | kCatFast},
    {"xtrim", kCatWrite | kCatStream | kCatSlow},
};
// clang-format on

}  // namespace

Vocabulary::Vocabulary(const CommandTable& table) {
  for (size_t i = 0; i < table.size(); ++i) add(table.at(i).full_name, table.at(i).categories);
  for (const AbsentCommand& absent : kAbsent) add(absent.full_name, absent.categories);
  for (const CommandName& name : names_) sorted_.push_back(&name);
  std::sort(sorted_.begin(), sorted_.end(),
            [](auto* a, auto* b) { return a->full_name < b->full_name; });
}

// A container comes before its subcommands.
void Vocabulary::add(std::string_view full_name, uint32_t categories) {
  assert(find(full_name) == nullptr);
  CommandName& name = names_.emplace_back();
  name.full_name = full_name;
  name.index = static_cast<uint32_t>(names_.size() - 1);
  name.categories = categories;
  const size_t bar = full_name.find('|');
  if (bar == full_name.npos) return;
  name.parent = find(full_name.substr(0, bar));
  names_[name.parent->index].subcommands.push_back(&name);
}

const CommandName* Vocabulary::find(std::string_view full_name) const {
  const auto found = std::find_if(names_.begin(), names_.end(), [&](const CommandName& name) {
    return equal_ignoring_case(name.full_name, full_name);
  });
  return found == names_.end() ? nullptr : &*found;
}

}  // namespace respcask::server::acl
