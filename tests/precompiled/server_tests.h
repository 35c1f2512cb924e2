// What most tests of the server include, compiled once a build instead of once a file. How it is used:
// engine/precompiled/engine.h.
#include "tests/precompiled/tests.h"
#include "tests/server/harness.h"
