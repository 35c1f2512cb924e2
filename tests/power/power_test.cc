// Power cuts under a real file system: a server on ext4 on a disk that records what is written and
// flushed, and afterwards servers on what was on that disk at random moments.
//
// With appendfsync always nothing that was acknowledged before the cut may be missing; with
// everysec only what was acknowledged in the last second and one sync before. Transactions are
// whole or absent, and nothing is reported as damaged. Needs root, /dev/fuse and loop devices:
// scripts/power starts it. RESPCASK_POWER_CUTS, RESPCASK_SEED: see there.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/asked.h"
#include "tests/crash/writer.h"
#include "tests/e2e/redis_client.h"
#include "tests/e2e/server_process.h"
#include "tests/power/recorded_disk.h"

namespace respcask::power {
namespace {

using crash::Writer;
using e2e::RedisClient;
using e2e::ServerProcess;

constexpr int kWriters = 4;
constexpr uint64_t kCutsOfRecording = 50;
constexpr uint64_t kCutsBetweenWords = 500;
constexpr int kMegabytes = 96;
constexpr int64_t kSecondNs = 1000000000;

void shell(const std::string& command) {
  CAPTURE(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A file mounted as an ext4, until it goes out of scope.
class Mount {
 public:
  Mount(const std::string& file, std::string point, const std::string& mode)
      : point_(std::move(point)) {
    std::filesystem::create_directory(point_);
    shell("mount -o loop,data=" + mode + " " + file + " " + point_);
  }
  ~Mount() {
    // What the kernel still has of it may be in use for a moment after its user was killed.
    const std::string command =
        "umount " + point_ + " 2>/dev/null || { sleep 1; umount -l " + point_ + "; }";
    if (std::system(command.c_str()) != 0) MESSAGE("cannot unmount " << point_);
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

 private:
  std::string point_;
};

struct Counts {
  uint64_t cuts = 0;
  uint64_t operations = 0;
  uint64_t events = 0;
};

std::string check_after_cut(ServerProcess& server, std::deque<Writer>& writers, int64_t cut_ns,
                            int64_t durable_ns) {
  server.start();
  std::string fault;
  for (Writer& writer : writers) {
    if (fault.empty()) fault = writer.check_at(server.port(), cut_ns, durable_ns);
  }
  RedisClient client(server.port());
  for (const char* const field : {"damaged_records", "recovery_damaged_ranges"}) {
    const auto count = client.info_field("bitcask", field);
    REQUIRE(count);
    if (fault.empty() && *count != "0") fault = std::string(field) + " is " + *count;
  }
  server.kill();
  return fault;
}

struct Recording {
  uint64_t seed = 0;
  bool always = false;           // the server syncs always, or every second
  bool promised_always = false;  // and what it is judged by
  std::string mode = "ordered";  // data=
  bool slow = false;             // so that several syncs are under way at once
};

// Records, cuts, and says what is wrong: "" if nothing.
std::string record_and_cut(const Recording& recording, uint64_t cuts, Counts* counts) {
  std::mt19937_64 random(recording.seed);
  ServerProcess server({"--bind",
                        "127.0.0.1",
                        "--appendfsync",
                        recording.always ? "always" : "everysec",
                        "--io-threads",
                        "2",
                        "--shards",
                        "3",
                        "--segment-size",
                        "1mb",
                        "--merge-trigger-garbage",
                        "5",
                        "--merge-stop-garbage",
                        "2",
                        "--auto-aof-rewrite-min-size",
                        "256kb",
                        "--merge-bytes-per-second",
                        "0",
                        "--collection-split-bytes",
                        "256",
                        "--string-chunk-threshold",
                        "1kb"});
  const std::string image = server.directory() + "/image";
  shell("truncate -s " + std::to_string(kMegabytes) + "M " + image);
  shell("mkfs.ext4 -q -F -J size=4 -E lazy_itable_init=0,lazy_journal_init=0 " + image);
  const std::string content = read_file(image);

  const std::string disk_file = server.directory() + "/disk";
  std::string now = content;
  RecordedDisk disk(&now, disk_file, std::chrono::milliseconds(recording.slow ? 2 : 0));
  REQUIRE(disk.fault() == "");
  std::deque<Writer> writers;
  for (int i = 0; i < kWriters; ++i) writers.emplace_back(i, random()).keep_journal();
  {
    const Mount mount(disk_file, server.directory() + "/mounted", recording.mode);
    server.set_data_directory(server.directory() + "/mounted/data");
    server.start();
    std::vector<std::thread> threads;
    for (Writer& writer : writers) threads.emplace_back([&] { writer.run(server.port()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(3000 + random() % 3000));
    server.kill();
    for (std::thread& thread : threads) thread.join();
  }
  for (const Writer& writer : writers) counts->operations += writer.acknowledged();

  const std::vector<Event>& events = disk.events();
  counts->events += events.size();
  std::vector<size_t> moments;
  for (uint64_t i = 0; i < cuts; ++i) moments.push_back(random() % (events.size() + 1));
  std::sort(moments.begin(), moments.end());
  PowerCuts power_cuts(content, events);
  std::string left;
  for (const size_t moment : moments) {
    const int64_t cut_ns = moment == 0 ? 0 : events[moment - 1].time_ns;
    // A sync begins a second after the last one, and here takes another at most.
    const int64_t durable_ns = recording.promised_always ? cut_ns : cut_ns - 2 * kSecondNs;
    power_cuts.make_image(moment, random, &left);
    const RecordedDisk rest(&left, server.directory() + "/rest", std::chrono::microseconds(0));
    REQUIRE(rest.fault() == "");
    const Mount mount(server.directory() + "/rest", server.directory() + "/cut", recording.mode);
    server.set_data_directory(server.directory() + "/cut/data");
    const std::string fault = check_after_cut(server, writers, cut_ns, durable_ns);
    ++counts->cuts;
    if (!fault.empty()) {
      return fault + "\nafter " + std::to_string(moment) + " of " + std::to_string(events.size()) +
             " events, seed " + std::to_string(recording.seed) +
             (recording.always ? ", always" : ", everysec") + ", data=" + recording.mode +
             (recording.slow ? ", slow flushes" : "");
    }
  }
  return "";
}

TEST_CASE("a power cut at any write of the disk loses nothing that was promised") {
  const uint64_t seed = asked("RESPCASK_SEED").value_or(std::random_device{}());
  const uint64_t enough = asked("RESPCASK_POWER_CUTS").value_or(100);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  Counts counts;
  for (uint64_t round = 0; counts.cuts < enough; ++round) {
    const bool always = round % 2 == 0;
    const Recording recording{random(), always, always, round % 4 < 2 ? "ordered" : "writeback",
                              round % 8 >= 4};
    const std::string fault =
        record_and_cut(recording, std::min(enough - counts.cuts, kCutsOfRecording), &counts);
    REQUIRE(fault == "");
    if (counts.cuts % kCutsBetweenWords == 0) MESSAGE(counts.cuts << " cuts");
  }
  MESSAGE(counts.cuts << " cuts of " << counts.events << " writes and flushes; "
                      << counts.operations << " operations acknowledged");
}

// The test of the test.
TEST_CASE("the power cut test finds acknowledgements before the sync") {
  Counts counts;
  CHECK(record_and_cut({std::random_device{}(), false, true}, 30, &counts) != "");
}

}  // namespace
}  // namespace respcask::power
