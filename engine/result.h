// Result<T>: a value, or why there is none.
//
// Used for what the machine did wrong (I/O, a full disk, damage), never for mere absence
// (std::optional) nor for what a user did wrong (a reply). It owns both the value and the error.
// Plain data: any thread may hold one, none may share one without a lock.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace respcask::engine {

enum class ErrorCode {
  kIo,        // the system refused a read, write or sync
  kNoSpace,   // no room on the disk; nothing was changed
  kNoFiles,   // no descriptor or no memory to be had for one more file; nothing was changed
  kDenied,    // the system does not let this user do it
  kDamaged,   // stored bytes do not match their checksum
  kInUse,     // another process holds the store
  kFormat,    // not a store, or one of another format version
  kReadOnly,  // opened read-only, or a shard that an earlier failed write closed to writing
  kInvalid,   // an option or argument out of its range
};

// Of something that may be there again a moment later.
constexpr bool is_shortage(ErrorCode code) {
  return code == ErrorCode::kNoSpace || code == ErrorCode::kNoFiles;
}

struct Error {
  ErrorCode code;
  std::string message;  // one sentence for a person, naming the file where there is one
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }

  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked(); }
  // By value, so that `for (auto& x : *list())` does not read a temporary that is gone.
  T operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->checked(); }

  const Error& error() const {
    assert(state_.index() == 1);
    return std::get<1>(state_);
  }

 private:
  T& checked() {
    assert(state_.index() == 0);
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}

  explicit operator bool() const { return !failed_; }
  const Error& error() const {
    assert(failed_);
    return error_;
  }

 private:
  bool failed_ = false;
  Error error_{};
};

}  // namespace respcask::engine
