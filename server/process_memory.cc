#include "server/process_memory.h"

#include <malloc.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "server/cycle_clock.h"
#include "server/memory_bound.h"

// Present if jemalloc is linked or preloaded; the second under the address sanitizer.
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size, void* new_value,
                       size_t new_size) __attribute__((weak));
extern "C" void malloc_stats_print(void (*write)(void*, const char*), void* argument,
                                   const char* options) __attribute__((weak));
extern "C" size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace respcask::server {
namespace {

struct HeapCounts {
  uint64_t allocated = 0;
  uint64_t active = 0;
  uint64_t resident = 0;  // 0: the allocator does not know
};

uint64_t jemalloc_count(const char* name) {
  size_t value = 0;
  size_t size = sizeof value;
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

HeapCounts heap_counts() {
  if (mallctl != nullptr) {
    uint64_t epoch = 1;
    size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);
    return {jemalloc_count("stats.allocated"), jemalloc_count("stats.active"),
            jemalloc_count("stats.resident")};
  }
  if (__sanitizer_get_current_allocated_bytes != nullptr) {
    const uint64_t bytes = __sanitizer_get_current_allocated_bytes();
    return {bytes, bytes, 0};
  }
  const struct mallinfo2 info = mallinfo2();
  return {info.uordblks + info.hblkhd, info.arena + info.hblkhd, 0};
}

// The number behind `name` in /proc/self/status, in bytes; 0 if it is not there.
uint64_t status_bytes(std::string_view status, std::string_view name) {
  const size_t at = status.find(name);
  if (at == std::string_view::npos) return 0;
  std::string_view rest = status.substr(at + name.size());
  rest.remove_prefix(std::min(rest.find_first_of("0123456789"), rest.size()));
  uint64_t kib = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), kib);
  return kib * 1024;
}

}  // namespace

ProcessMemory::ProcessMemory() : bound_(memory_bound(system_total())) {
  at_start_ = refresh();
}

bool ProcessMemory::has_room(uint64_t bytes) {
  constexpr uint64_t kAnyway = uint64_t{4} << 20;
  constexpr uint64_t kMaxAgeNs = 10'000'000;
  if (bytes <= kAnyway) return true;
  const uint64_t bound = this->bound();
  if (bound == 0) return true;  // the system did not say
  return bytes <= bound - std::min(bound, used(CycleClock::system_ns(), kMaxAgeNs));
}

uint64_t ProcessMemory::refresh() {
  const uint64_t begun_ns = CycleClock::system_ns();
  // A buffer that came or went between the two counts would be in one of them only.
  constexpr int kTries = 4;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t before = apart_now_();
    allocated_.store(heap_counts().allocated, std::memory_order_relaxed);
    const uint64_t apart = apart_now_();
    apart_.store(apart, std::memory_order_relaxed);
    if (apart == before) break;
  }
  const uint64_t now_ns = CycleClock::system_ns();
  read_ns_.store(now_ns, std::memory_order_relaxed);
  count_took_ns_.store(now_ns - begun_ns, std::memory_order_relaxed);
  const uint64_t bytes = known();
  if (bytes > peak_.load(std::memory_order_relaxed)) {
    peak_.store(bytes, std::memory_order_relaxed);
  }
  return bytes;
}

uint64_t ProcessMemory::used(uint64_t now_ns, uint64_t max_age_ns) {
  // The C library walks its free blocks, and whoever allocates waits for it: where there are many
  // it takes milliseconds, and is asked so rarely that they do not add up.
  constexpr uint64_t kShare = 500;
  const uint64_t rest_ns = std::clamp(kShare * count_took_ns_.load(std::memory_order_relaxed),
                                      max_age_ns, 10 * max_age_ns);
  if (now_ns >= read_ns_.load(std::memory_order_relaxed) + rest_ns) {
    const std::unique_lock one(reading_, std::try_to_lock);
    if (one.owns_lock()) return refresh();
  }
  return known();
}

uint64_t ProcessMemory::known() const {
  const uint64_t bytes =
      allocated_.load(std::memory_order_relaxed) + keydirs_.load(std::memory_order_relaxed);
  return bytes - std::min(bytes, apart_.load(std::memory_order_relaxed));
}

MemoryUsage ProcessMemory::usage() {
  MemoryUsage usage;
  const std::lock_guard one(reading_);
  usage.used = refresh();
  const HeapCounts heap = heap_counts();
  const uint64_t keydirs = keydirs_.load(std::memory_order_relaxed);
  usage.allocated = heap.allocated + keydirs;
  usage.active = std::max(usage.allocated, heap.active + keydirs);
  std::ifstream file("/proc/self/status");
  const std::string status{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  usage.rss_anonymous = status_bytes(status, "RssAnon:") + status_bytes(status, "RssShmem:");
  usage.rss_page_cache = status_bytes(status, "RssFile:");
  usage.resident = heap.resident != 0 ? heap.resident + keydirs : usage.rss_anonymous;
  return usage;
}

void ProcessMemory::keep_some_free() {
  constexpr int kBytes = 4 << 20;
  mallopt(M_MMAP_THRESHOLD, kBytes);
  mallopt(M_TRIM_THRESHOLD, kBytes);
}

void ProcessMemory::purge() {
  if (mallctl == nullptr) {
    malloc_trim(0);
    return;
  }
  constexpr char kPurgeAll[] = "arena.4096.purge";  // 4096: all arenas
  mallctl(kPurgeAll, nullptr, nullptr, nullptr, 0);
}

std::string ProcessMemory::report() {
  std::string text;
  if (malloc_stats_print != nullptr) {
    const auto append = [](void* to, const char* piece) {
      static_cast<std::string*>(to)->append(piece);
    };
    malloc_stats_print(append, &text, nullptr);
    return text;
  }
  char* buffer = nullptr;
  size_t size = 0;
  std::FILE* memory = open_memstream(&buffer, &size);
  if (memory == nullptr) return text;
  malloc_info(0, memory);
  std::fclose(memory);
  text.assign(buffer, size);
  std::free(buffer);
  return text;
}

std::string_view ProcessMemory::allocator() {
  if (mallctl == nullptr) return "libc";
  // As in Redis "jemalloc-5.3.0": of its version, "5.3.0-0-g54eaed1d8b56", what a person says.
  static const std::string name = [] {
    const char* version = nullptr;
    size_t size = sizeof version;
    if (mallctl("version", &version, &size, nullptr, 0) != 0) return std::string("jemalloc");
    return "jemalloc-" + std::string(version, std::strcspn(version, "-"));
  }();
  return name;
}

uint64_t ProcessMemory::system_total() {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return 0;
  return uint64_t{info.totalram} * info.mem_unit;
}

}  // namespace respcask::server
