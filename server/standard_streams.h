// Standard streams: that there are three of them, whoever starts the program.
//
// A program may be started with some of the descriptors 0, 1 and 2 closed. The next files that it
// opens would get these numbers, and what is meant for standard output would be written over them.
// Called by main before anything else, while there is one thread.
#pragma once

namespace respcask::server {

// Opens /dev/null for each standard stream that is closed. False if one is and that cannot be done:
// then nothing is to be opened at all.
bool open_standard_streams();

}  // namespace respcask::server
