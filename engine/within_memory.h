// within_memory: for what the background does, which can be put off where memory runs out. The
// process, which may be somebody else's, need not end for that. Any thread.
#pragma once

#include <new>

#include "engine/result.h"

namespace respcask::engine {

// What `step` returns; kNoFiles if it ran out of memory.
template <class Step>
Result<void> within_memory(Step step) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kNoFiles, "there is not enough memory"};
  }
}

}  // namespace respcask::engine
