// What most files of the server include, compiled once a build instead of once a file: the libraries,
// and the surface that every command sees. How it is used: engine/precompiled/engine.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/command_table.h"
#include "server/context.h"
