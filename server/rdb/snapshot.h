// Snapshot: a Redis snapshot (dump.rdb), read once from its beginning to its end, for whoever moves
// its keys elsewhere.
//
//     file      "REDIS", 4 digits version (1 to 12), then items up to the end
//     item      u8 opcode, and:                               length L, string S: see reader.h
//      0xff     u64 CRC-64 of all before it, since version 5  the end; 0: not computed
//      0xfe     L                                             number of the database that follows
//      0xfd     u32 Unix time, seconds                        expiry of the next key
//      0xfc     u64 Unix time, milliseconds                   the same
//      0xfb     L, L                                          sizes of the database
//      0xfa     S, S                                          a name and what it says of the file
//      0xf9     u8                                            LFU counter of the next key
//      0xf8     L                                             seconds that the next key was idle
//      0xf7     L module, values (below)                      what a module keeps beside the keys
//      0xf5     S                                             a library of functions
//      0xf4     L, L, L                                       sizes of a slot
//      0..      S key, body                                   a key: the opcode is its type
//
// Bodies are those of decode.h, where also integers are little endian, and
//
//     15, 19, 21   a stream: L n, n x (S, S), 3 x L, from 19 on 5 x L more, L groups, each:
//                  S, 2 x L, from 19 on L; L n, n x (16 bytes, u64, L); L consumers, each:
//                  S, u64, for 21 u64 more, L n, n x 16 bytes
//     7            L module, values: L 0 ends them; 1, 2: L; 3: 4 bytes; 4: 8 bytes; 5: S
//     20           S listpack: a set
//
// of which streams and modules' values are counted and left out, as are functions and what modules
// keep beside the keys. What is none of these ends the reading: nobody can tell where it ends
// itself.
//
// A value comes in pieces that are values themselves, of about a MiB (unpacked) where it is a large
// collection, so that memory holds one piece, or one string, whatever the file holds; for a moment
// twice, while the string becomes longer.
//
// The bytes come from a stream that the caller owns; a Snapshot owns the piece at hand. One thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "engine/result.h"
#include "server/rdb/snapshot_bytes.h"

namespace respcask::server::rdb {

class Snapshot {
 public:
  struct Piece {
    uint64_t db = 0;
    std::string key;
    std::optional<int64_t> expiry_ms;  // Unix time
    std::optional<uint64_t> idle_s;
    std::optional<uint8_t> frequency;
    bool is_first = false;  // of its key
    bool is_last = false;
    std::string payload;  // as DUMP gives it, if the value is what it should be: see decode()
  };
  // Things of the file that were left out so far.
  struct LeftOut {
    uint64_t streams = 0;
    uint64_t module_values = 0;
    uint64_t module_records = 0;  // of what modules keep beside the keys
    uint64_t functions = 0;
  };

  static constexpr size_t kPieceBytes = 1 << 20;

  // `file` outlives it. `piece_bytes`: from how many on, unpacked, a piece of a collection ends.
  explicit Snapshot(std::FILE* file, size_t piece_bytes = kPieceBytes)
      : bytes_(file), piece_bytes_(piece_bytes) {}

  // The next piece, the caller's until the next call; null at the end. kIo: the file cannot be
  // read; kDamaged: it is no snapshot, ends too early, or does not match its checksum, which stands
  // at its end; kFormat: there is something in it that is not known here. Not to be called after an
  // error.
  engine::Result<Piece*> next();

  const LeftOut& left_out() const { return left_out_; }

 private:
  // False: it could not be read, and the error is in bytes_.
  bool read_header();
  bool read_item();
  bool read_end(uint64_t checksum);
  bool read_attribute(uint8_t opcode);
  bool read_key(uint8_t type);
  bool read_elements();
  bool skip_element();
  bool skip_stream(uint8_t type);
  bool skip_groups(uint8_t type);
  bool skip_module_values();

  SnapshotBytes bytes_;
  const size_t piece_bytes_;
  int version_ = 0;  // 0: the header has not been read
  bool ended_ = false;
  uint64_t db_ = 0;
  uint8_t type_ = 0;       // of the key at hand
  uint64_t elements_ = 0;  // of it that are still to come
  bool begun_ = false;     // a piece of it has come, and not the last
  Piece piece_;
  bool has_piece_ = false;
  Piece coming_;  // what has been said of the next key
  LeftOut left_out_;
};

}  // namespace respcask::server::rdb
