// Budget: what decoding a payload may come to hold. Its bytes can say of themselves that they make
// a hundred times as many, so whoever has the memory is asked while the value grows.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace respcask::server::rdb {

class Budget {
 public:
  // Whether so many bytes may be held, all together.
  using Ask = std::function<bool(uint64_t)>;

  explicit Budget(Ask ask) : ask_(std::move(ask)) {}

  // For bytes about to be held; false: they may not.
  [[nodiscard]] bool take(uint64_t bytes) {
    taken_ += bytes;
    return taken_ < ask_at_ || ask();
  }
  // For an element of so many bytes, beside what it is in the payload.
  [[nodiscard]] bool take_element(uint64_t bytes) { return take(bytes + kElementBytes); }
  bool spent() const { return ask_at_ == 0; }

 private:
  // A string with what malloc adds, twice where a vector grows, and what is made of it to compare
  // names and to write it.
  static constexpr uint64_t kElementBytes = 128;
  static constexpr uint64_t kStep = uint64_t{1} << 20;

  bool ask() {
    const bool may = !spent() && ask_(taken_);
    ask_at_ = may ? taken_ + kStep : 0;
    return may;
  }

  Ask ask_;
  uint64_t taken_ = 0;
  uint64_t ask_at_ = kStep;  // 0: refused
};

}  // namespace respcask::server::rdb
