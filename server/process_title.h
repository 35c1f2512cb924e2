// Process title: what ps and top show as the server's command line.
//
// It is written over the arguments and the environment that the kernel handed to the process, which
// therefore move to the heap first, and stay there until the process ends. Called by main's thread
// before any other runs; set_process_title() by one thread at a time.
#pragma once

#include <string>

#include "server/config/config.h"

namespace respcask::server {

// Makes room for titles. After that what `argv` points to must not be read any more.
void prepare_process_title(int argc, char** argv);

// The title that proc-title-template makes: {title} is the program's name, {listen-addr} where it
// listens, {config-file} `file`, the rest the parameters of that name.
std::string process_title(const Config& config, const std::string& file);

// Shows it, as far as there is room; nothing if there was no preparation.
void set_process_title(const std::string& title);

}  // namespace respcask::server
