// Writes replies. One set of calls serves both protocols: what RESP3 has a type for and RESP2 does
// not is written in RESP2 as Redis 7.0 writes it (a map of n as an array of 2n, a double as a bulk,
// a boolean as 1 or 0, ...), so a handler need not ask.
//
// It appends to a string that the caller owns and that outlives it. What stood there before stays.
// Large bulks may be lent to it instead of copied, if the caller gives it a place to note them
// (lent_bytes.h); positions and sizes are of the string alone, as if they were not there. It holds
// nothing of its own: it is three words, made where it is needed.
//
// Invariants: a status or error line never contains CR or LF, whatever text it is given. An
// aggregate's header counts elements (pairs for map and attribute); that as many follow is up to
// the caller.
//
// One thread at a time, that of the string's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "resp/lent_bytes.h"

namespace respcask::resp {

class Writer {
 public:
  // Where a deferred aggregate's header goes. Holds until something before it is inserted or cut.
  struct Mark {
    size_t position;
  };

  // `protocol` is 2 or 3. `lent`: null where nothing can be lent.
  explicit Writer(std::string& out, int protocol = 2, LentBytes* lent = nullptr)
      : out_(&out), lent_(lent), protocol_(protocol) {}

  int protocol() const { return protocol_; }
  void set_protocol(int protocol) { protocol_ = protocol; }

  // "+OK".
  void ok() { out_->append("+OK\r\n", 5); }
  // A status line; a CR or LF in it becomes a space.
  void simple_string(std::string_view text);
  // An error line. `text` begins with its code ("ERR ...", "WRONGTYPE ...") and has no '-'. CRs and
  // LFs at its end are dropped, as Redis does, and elsewhere become spaces.
  void error(std::string_view text);
  void integer(int64_t value);

  // Any bytes.
  void bulk(std::string_view bytes);
  // The decimal text of `value` as a bulk.
  void bulk_integer(int64_t value);
  // A bulk in pieces: bulk_header(n), then raw() and lent() until n bytes are written, then crlf().
  void bulk_header(size_t length);
  void raw(std::string_view bytes) { out_->append(bytes); }
  // The same for bytes, some at least, that are lent: `owner` keeps them where they are. Only if it
  // borrows.
  bool borrows() const { return lent_ != nullptr; }
  void lent(std::string_view bytes, std::shared_ptr<const void> owner) {
    lent_->add(out_->size(), bytes, std::move(owner));
  }
  void crlf() { out_->append("\r\n", 2); }

  // Nothing, where RESP2 has a bulk ("$-1") or an array ("*-1"). RESP3 has one null ("_").
  void bulk_null();
  void null_array();

  // Headers; the elements follow by further calls. `count` is in elements, for map and attribute in
  // pairs.
  void array(size_t count);
  void map(size_t count);
  void set(size_t count);
  void push(size_t count);
  // RESP3 only: RESP2 has nothing that a client would skip. Asserts that protocol() is 3.
  void attribute(size_t count);

  // A double with the 17 digits of Redis 7.0 ("%.17g").
  void double_value(double value);
  void boolean(bool value);
  // `digits` is an optional '-' and decimal digits.
  void big_number(std::string_view digits);
  // Text with a hint for its reader: `format` is three letters, "txt" or "mkd".
  void verbatim(std::string_view format, std::string_view text);

  // An aggregate whose count is known only behind its elements: mark, write, finish. Marks nest;
  // the innermost is finished first. Finishing moves what was written since by the header's length.
  Mark defer() const { return {out_->size()}; }
  void finish_array(Mark mark, size_t count);
  void finish_map(Mark mark, size_t count);
  void finish_set(Mark mark, size_t count);
  void finish_push(Mark mark, size_t count);

  // Bytes in the output, whoever wrote them.
  size_t size() const { return out_->size(); }
  // With those that are lent.
  size_t size_with_lent() const { return size() + (lent_ != nullptr ? lent_->bytes() : 0); }
  // Takes back everything from byte `size` on; `size` is at most size().
  void truncate(size_t size);

 private:
  void line(char type, std::string_view text);
  void insert_header(Mark mark, char type, size_t count);

  std::string* out_;
  LentBytes* lent_;
  int protocol_;
};

}  // namespace respcask::resp
