// LentBytes: bytes that replies hold without having copied them. They belong at certain places of
// the text of the replies, and are sent from where they lie.
//
// Invariants: positions never fall, and are at most the length of the text. It owns neither the
// text nor the bytes, but shares in owners that keep the bytes where they are, as they are: a piece
// without an owner shares in that of the piece before it. One thread at a time.
#pragma once

#include <cassert>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace respcask::resp {

class LentBytes {
 public:
  bool empty() const { return pieces_.empty(); }
  size_t bytes() const { return bytes_; }
  // Heap held.
  size_t memory_bytes() const { return pieces_.capacity() * sizeof(Piece); }

  // Behind what is there: `bytes` come behind the first `position` bytes of the text.
  void add(size_t position, std::string_view bytes, std::shared_ptr<const void> owner) {
    assert(pieces_.empty() || pieces_.back().position <= position);
    bytes_ += bytes.size();
    if (owner.get() == last_owner_) owner.reset();
    if (owner != nullptr) last_owner_ = owner.get();
    pieces_.push_back({position, bytes, std::move(owner)});
  }
  // The text was cut to `size` bytes: what came behind those is dropped.
  void cut(size_t size) {
    while (!pieces_.empty() && pieces_.back().position > size) {
      bytes_ -= pieces_.back().bytes.size();
      pieces_.pop_back();
      last_owner_ = nullptr;  // may have gone
    }
  }
  // `count` bytes were put into the text at `position`.
  void shift(size_t position, size_t count) {
    for (size_t i = pieces_.size(); i > 0 && pieces_[i - 1].position > position; --i) {
      pieces_[i - 1].position += count;
    }
  }

  // Calls visit(bytes) with `text` and the pieces, in the order in which they are sent; no call has
  // no bytes. It stops when `visit` returns false.
  template <class Visit>
  void visit(std::string_view text, const Visit& visit) const {
    size_t from = 0;
    for (const Piece& piece : pieces_) {
      if (piece.position > from && !visit(text.substr(from, piece.position - from))) return;
      from = piece.position;
      if (!visit(piece.bytes)) return;
    }
    if (from < text.size()) visit(text.substr(from));
  }

 private:
  struct Piece {
    size_t position;
    std::string_view bytes;
    std::shared_ptr<const void> owner;
  };
  std::vector<Piece> pieces_;
  const void* last_owner_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace respcask::resp
