#include "server/command_table.h"
#include <doctest/doctest.h>
