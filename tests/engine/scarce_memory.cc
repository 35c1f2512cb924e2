#include "tests/engine/scarce_memory.h"

#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace respcask::engine {
namespace {

constexpr size_t kNameBytes = 16;  // Linux keeps no more

std::atomic<bool> g_is_scarce{false};
std::mutex g_mutex;  // guards what follows
ScarceMemory::Rule g_rule;
char g_thread[kNameBytes] = {};
uint64_t g_asked = 0;
uint64_t g_refused = 0;

bool is_refused(size_t bytes) {
  if (!g_is_scarce.load(std::memory_order_relaxed)) return false;
  std::lock_guard guard(g_mutex);
  if (!g_is_scarce || bytes < g_rule.least_bytes) return false;
  char name[kNameBytes] = {};
  if (pthread_getname_np(pthread_self(), name, sizeof name) != 0) return false;
  if (std::strcmp(name, g_thread) != 0) return false;
  const uint64_t before = g_asked++;
  if (before < g_rule.skip || before - g_rule.skip >= g_rule.times) return false;
  ++g_refused;
  return true;
}

}  // namespace

ScarceMemory::ScarceMemory(const Rule& rule) {
  std::lock_guard guard(g_mutex);
  g_rule = rule;
  std::memset(g_thread, 0, sizeof g_thread);
  if (rule.thread == nullptr) {
    (void)pthread_getname_np(pthread_self(), g_thread, sizeof g_thread);
  } else {
    std::strncpy(g_thread, rule.thread, sizeof g_thread - 1);
  }
  g_asked = 0;
  g_refused = 0;
  g_is_scarce = true;
}

ScarceMemory::~ScarceMemory() {
  std::lock_guard guard(g_mutex);
  g_is_scarce = false;
}

uint64_t ScarceMemory::refused() {
  std::lock_guard guard(g_mutex);
  return g_refused;
}

}  // namespace respcask::engine

void* operator new(std::size_t bytes) {
  if (!respcask::engine::is_refused(bytes)) {
    if (void* const at = std::malloc(bytes > 0 ? bytes : 1)) return at;
  }
  throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) {
  return operator new(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return respcask::engine::is_refused(bytes) ? nullptr : std::malloc(bytes > 0 ? bytes : 1);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return operator new(bytes, nothrow);
}
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete[](void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}
void operator delete[](void* at, std::size_t) noexcept {
  std::free(at);
}
void operator delete(void* at, const std::nothrow_t&) noexcept {
  std::free(at);
}
void operator delete[](void* at, const std::nothrow_t&) noexcept {
  std::free(at);
}
