// respcask-check: reads a store offline and says whether it is sound; repairs it into a new one.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/check.h"
#include "engine/repair.h"
#include "engine/store.h"
#include "server/open_files.h"
#include "server/standard_streams.h"
#include "server/tool.h"
#include "server/types/element_index.h"

namespace respcask::server {
namespace {

constexpr int kSound = 0;
constexpr int kDamage = 1;

constexpr std::string_view kUsage =
    "usage: respcask-check [--quiet] [--repair OUT] DIR\n"
    "\n"
    "Reads the store in DIR, which no server may be using, and compares everything with its\n"
    "checksums. Nothing in DIR is changed.\n"
    "\n"
    "  --repair OUT   copy all that can be read to a new store in OUT, and list what is lost\n"
    "  --quiet        no progress\n"
    "\n"
    "Exit status: 0 the store is sound, 1 there is damage, 2 it cannot be read, or what was\n"
    "found cannot be written to standard output.\n";

struct Arguments {
  std::string dir;
  std::string out;
  bool quiet = false;
};

std::optional<Arguments> parse(std::span<char* const> words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--quiet") {
      arguments.quiet = true;
    } else if (word == "--repair" && i + 1 < words.size()) {
      arguments.out = words[++i];
    } else if (!word.starts_with("-") && arguments.dir.empty()) {
      arguments.dir = word;
    } else {
      return std::nullopt;
    }
  }
  if (arguments.dir.empty()) return std::nullopt;
  return arguments;
}

void print_finding(std::string_view kind, const engine::CheckFinding& finding) {
  print("{}: {} at offset {}: {}", kind, finding.file, finding.offset, finding.what);
  if (!finding.key.empty()) print(" (key \"{}\")", printable(finding.key));
  print("\n");
}

int fail(const engine::Error& error) {
  say("{}\n", error.message);
  return kToolFailed;
}

// Opens it with all the databases that hold keys, which are known once it has been read.
engine::Result<std::unique_ptr<engine::Store>> open_whole(engine::Options options) {
  auto store = engine::Store::open(options);
  if (!store) return store;
  const uint32_t databases = (*store)->open_report().found.databases;
  if (databases <= options.databases) return store;
  options.databases = databases;
  store->reset();
  return engine::Store::open(options);
}

// Whether what is written to `out` changes the store, or is taken for a part of it.
bool is_within(const std::string& out, const std::string& dir) {
  std::error_code ignored;
  const auto inner = std::filesystem::weakly_canonical(out, ignored);
  const auto outer = std::filesystem::weakly_canonical(dir, ignored);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

int run(const Arguments& arguments) {
  if (!arguments.out.empty() && is_within(arguments.out, arguments.dir)) {
    say("{}: is in {}, which stays as it is\n", arguments.out, arguments.dir);
    return kToolFailed;
  }
  engine::Options options;
  options.dir = arguments.dir;
  options.read_only = true;
  options.create_if_missing = false;
  options.salvage = true;
  options.element_index = make_element_index;
  raise_open_files();
  auto store = open_whole(options);
  if (!store) return fail(store.error());

  engine::StoreRepair repair(**store, arguments.out,
                             [](const auto& finding) { print_finding("lost", finding); });
  if (!arguments.out.empty()) {
    if (auto prepared = repair.prepare(); !prepared) return fail(prepared.error());
  }

  int percent = -1;
  engine::StoreCheck::Hooks hooks;
  hooks.finding = [](const engine::CheckFinding& finding) {
    print_finding(finding.damage ? "damage" : "note", finding);
  };
  hooks.progress = [&](uint64_t bytes, uint64_t total) {
    const int now = total == 0 ? 100 : static_cast<int>(bytes * 100 / total);
    if (arguments.quiet || now == percent) return;
    percent = now;
    say("{} of {} bytes, {} %\n", bytes, total, now);
  };
  const engine::CheckReport report = engine::StoreCheck(**store, hooks).run();
  print("{} segments, {} hints, {} bytes: {} records, {} values; {} damaged, {} notes\n",
        report.segments, report.hints, report.bytes, report.records, report.values, report.damage,
        report.notes);

  if (!arguments.out.empty()) {
    auto repaired = repair.run();
    if (!repaired) return fail(repaired.error());
    print("{} keys and {} elements copied to {}, {} lost\n", repaired->keys, repaired->elements,
          arguments.out, repaired->lost);
  }
  return report.damage > 0 ? kDamage : kSound;
}

}  // namespace
}  // namespace respcask::server

int main(int argc, char** argv) {
  using namespace respcask::server;
  return run_tool(argc, argv, kUsage, parse, run);
}
