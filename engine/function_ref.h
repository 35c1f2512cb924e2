// FunctionRef<R(Args...)>: a borrowed callable, for visitors that are called before the function
// that takes them returns.
//
// Two words, no allocation. It owns nothing: the callable must outlive it, so it is a parameter
// type only, never a member. As thread-safe as what it refers to.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace respcask::engine {

template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<R, F&, Args...>) FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace respcask::engine
