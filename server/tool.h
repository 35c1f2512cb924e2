// What the programs beside the server have in common: how they begin, how they explain themselves
// and name keys, and what their exit status says of standard output.
//
// For their mains, on the only thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/function_ref.h"

namespace respcask::server {

// What the program is for could not be done; so it is too if what it printed is lost.
inline constexpr int kToolFailed = 2;

// Runs a program on the words behind its name and returns its exit status. `run` returns that, or
// nothing where the words are not of `usage`.
int run_tool(int argc, char** argv, std::string_view usage,
             engine::FunctionRef<std::optional<int>(std::span<char* const> words)> run);

// The same, where `parse` makes what the program runs on of the words, or nothing.
template <class Arguments>
int run_tool(int argc, char** argv, std::string_view usage,
             std::optional<Arguments> (*parse)(std::span<char* const> words),
             int (*run)(const Arguments& arguments)) {
  return run_tool(argc, argv, usage, [=](std::span<char* const> words) -> std::optional<int> {
    const std::optional<Arguments> arguments = parse(words);
    if (!arguments) return std::nullopt;
    return run(*arguments);
  });
}

// Keys are any bytes; a terminal is not to be written to with them.
std::string printable(std::string_view bytes);

}  // namespace respcask::server
