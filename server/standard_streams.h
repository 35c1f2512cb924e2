// Standard streams: that there are three of them, whoever starts the program, and what it prints.
//
// A program may be started with some of the descriptors 0, 1 and 2 closed. The next files that it
// opens would get these numbers, and what is meant for standard output would be written over them.
//
// Writing never throws, as fmt::print does: a message that nobody can read must not end what it is
// about. What standard output lost is told at the end by printed(), for whoever's result that is.
//
// For the programs' mains, while there is one thread.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "engine/result.h"

namespace respcask::server {

// Opens /dev/null for each standard stream that is closed. False if one is and that cannot be done:
// then nothing is to be opened at all. To be called before anything else.
bool open_standard_streams();

void print_text(std::string_view text);
void say_text(std::string_view text);

// To standard output.
template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

// To standard error, if that can be.
template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  say_text(fmt::format(format, std::forward<Args>(args)...));
}

// Whether all that was printed has been written; if not, why.
engine::Result<void> printed();

}  // namespace respcask::server
