// The words in which the table of parameters is written: one constexpr function for each shape of
// row. Included by the files that hold rows and by nobody else.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "server/config/table.h"

namespace respcask::server {

inline constexpr int64_t kIntMin = std::numeric_limits<int>::min();
inline constexpr int64_t kIntMax = std::numeric_limits<int>::max();
inline constexpr int64_t kUint32Max = std::numeric_limits<uint32_t>::max();
inline constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();
inline constexpr uint64_t kUint64Max = std::numeric_limits<uint64_t>::max();

// In place of a default that depends on the machine.
inline constexpr std::string_view kAllCoresButOne = "all cores but one";
// In place of a member: the parameter has no meaning here.
inline constexpr std::monostate kInert;

constexpr Row integer(std::string_view name, Member member, std::string_view text, int64_t low,
                      int64_t high, std::string_view help) {
  return {.name = name,
          .text = text,
          .help = help,
          .kind = Kind::kInteger,
          .member = member,
          .low = low,
          .high = static_cast<uint64_t>(high)};
}

constexpr Row octal(std::string_view name, Member member, std::string_view text, int64_t high,
                    std::string_view help) {
  Row row = integer(name, member, text, 0, high, help);
  row.kind = Kind::kOctal;
  return row;
}

constexpr Row memory(std::string_view name, Member member, std::string_view text, int64_t low,
                     uint64_t high, std::string_view help) {
  return {.name = name,
          .text = text,
          .help = help,
          .kind = Kind::kMemory,
          .member = member,
          .low = low,
          .high = high};
}

constexpr Row special(std::string_view name, Kind kind, Member member, std::string_view text,
                      std::string_view help) {
  return {.name = name, .text = text, .help = help, .kind = kind, .member = member};
}

constexpr Row boolean(std::string_view name, Member member, std::string_view text,
                      std::string_view help) {
  return special(name, Kind::kBool, member, text, help);
}

constexpr Row string(std::string_view name, Member member, std::string_view text,
                     std::string_view help) {
  return special(name, Kind::kString, member, text, help);
}

constexpr Row path(std::string_view name, Member member, std::string_view text,
                   std::string_view help) {
  return special(name, Kind::kPath, member, text, help);
}

constexpr Row word_list(std::string_view name, Member member, std::string_view text,
                        std::string_view help) {
  return special(name, Kind::kWords, member, text, help);
}

constexpr Row choice(std::string_view name, Member member, std::span<const std::string_view> words,
                     std::string_view text, std::string_view help) {
  Row row = special(name, Kind::kEnum, member, text, help);
  row.words = words;
  return row;
}

constexpr Row statement(std::string_view name, Kind kind, std::string_view help) {
  return special(name, kind, kInert, "", help);
}

}  // namespace respcask::server
