// Glob patterns as Redis matches them: * ? [abc] [^a-z] and \ before a literal byte.
//
// Invariants: never recurses and never allocates; the time is at most the product of both lengths,
// whatever the pattern. Works on bytes, NUL included. Pure: any thread may call it.
#pragma once

#include <string_view>

namespace respcask::server {

// Whether all of `text` matches `pattern`. `ignore_case` folds ASCII letters. As in Redis nothing
// but the empty pattern matches the empty text: where "*" is to stand for everything the caller
// says so.
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace respcask::server
