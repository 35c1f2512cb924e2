#include "tests/server/harness.h"

#include <cassert>
#include <ctime>
#include <mutex>

namespace respcask::server::testing {

Harness::Harness(std::initializer_list<std::string_view> settings,
                 std::span<const Command> more_commands, engine::FileSystem* disk)
    : files(disk), more_commands_(more_commands) {
  initial_.shards = 4;
  initial_.enable_debug_command = Permission::kYes;
  if (settings.size() != 0) {
    ConfigStore parsed(initial_);
    const std::vector<std::string_view> words(settings);
    const auto error = parsed.set(words);
    assert(!error);
    initial_ = *parsed.snapshot();
  }
  open();
}

Harness::Harness(const std::function<void(Config&)>& configure) : files(nullptr) {
  initial_.shards = 4;
  configure(initial_);
  open();
}

Harness::~Harness() {
  client_ = nullptr;
  if (server != nullptr) server->stop();
  server = nullptr;
}

void Harness::open() {
  engine::Options options;
  options.dir = files != nullptr ? "/store" : place.empty() ? directory.path() : place;
  options.shards = initial_.shards;
  options.databases = static_cast<uint32_t>(initial_.databases);
  options.segment_bytes = uint64_t{1} << 20;
  options.sync = engine::SyncMode::kNo;
  options.element_index = element_index;
  options.files = files;
  auto opened = engine::Store::open(std::move(options));
  assert(opened);
  store = std::move(*opened);
  config = std::make_unique<ConfigStore>(initial_);
  server = std::make_unique<Server>(*store, *config, more_commands_);
  client_ = std::make_unique<Client>(*this);
}

void Harness::restart() {
  client_ = nullptr;
  server->stop();
  initial_ = *config->snapshot();
  server = nullptr;
  config = nullptr;
  const auto closed = store->close();
  assert(closed);
  store = nullptr;
  open();
}

void Harness::set(std::initializer_list<std::string_view> name_and_value) {
  const std::vector<std::string_view> words(name_and_value);
  const auto error = config->set(words);
  assert(!error);
}

void Harness::wake_due() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  server->deadlines.wake_due(int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000);
}

void Harness::expire_now() {
  Turn turn(*server);
  for (uint32_t shard = 0; shard < store->shard_count(); ++shard) {
    while (server->expire_cycle(shard, turn)) {
    }
  }
  server->commit(turn);
}

uint64_t Harness::log_bytes(uint32_t shard) {
  const std::lock_guard guard(store->shard(shard));
  return store->shard(shard).stats().total_bytes;
}

uint64_t Harness::log_bytes() {
  uint64_t bytes = 0;
  for (uint32_t shard = 0; shard < store->shard_count(); ++shard) bytes += log_bytes(shard);
  return bytes;
}

void Harness::expect_within_reserve() {
  for (uint32_t shard = 0; shard < store->shard_count(); ++shard) {
    const std::lock_guard guard(store->shard(shard));
    const bool overdrawn = store->shard(shard).overdrawn();
    assert(!overdrawn);
  }
}

std::string Harness::run(std::string_view line) {
  return client_->run(line);
}
std::string Harness::run(std::initializer_list<std::string_view> args) {
  return client_->run(args);
}

Client::Client(Harness& harness)
    : session(std::make_unique<Session>(
          *harness.server, *this, Peer{"127.0.0.1:1000", "127.0.0.1:6379", 8, 0, false, true})),
      turn(*harness.server),
      harness_(harness) {}

Client::~Client() = default;

std::string Client::run(std::string_view line) {
  auto words = resp::split_args(line);
  assert(words);
  return run(std::move(*words));
}

std::string Client::run(std::initializer_list<std::string_view> args) {
  return run(std::vector<std::string>(args.begin(), args.end()));
}

std::string Client::run(std::vector<std::string> args) {
  assert(!waiting_);
  request_ = std::move(args);
  args_.assign(request_.begin(), request_.end());
  return dispatch_now();
}

std::string Client::resumed() {
  if (!waiting_ || !resume_due_.exchange(false)) return {};
  return dispatch_now();
}

std::string Client::dispatch_now() {
  std::string out = pushed();
  resp::Writer reply(out);
  turn.begin();
  for (;;) {
    const Outcome outcome = dispatch(*session, turn, args_, reply);
    waiting_ = outcome == Outcome::kParked || outcome == Outcome::kBlocked;
    if (outcome == Outcome::kClose || outcome == Outcome::kCutOff) closed_ = true;
    if (!waiting_ || !resume_due_.exchange(false)) break;
  }
  harness_.expect_within_reserve();
  harness_.server->commit(turn);
  return out;
}

std::string run_in(Turn& turn, Client& client, std::initializer_list<std::string_view> args) {
  std::string out;
  resp::Writer reply(out);
  const Outcome outcome = dispatch(*client.session, turn, std::vector(args), reply);
  assert(outcome == Outcome::kDone);
  return out;
}

std::string encoding(Harness& h, std::string_view key) {
  const std::string reply = h.run({"OBJECT", "ENCODING", key});
  return reply.substr(reply.find('\n') + 1, reply.rfind('\r') - reply.find('\n') - 1);
}

bool is_split(Harness& h, std::string_view key) {
  engine::Shard& shard = h.store->shard(h.store->shard_of(key));
  const std::lock_guard lock(shard);
  const auto entry = shard.find(0, key, shard.hash(key));
  return entry && entry->collection != 0;
}

int64_t unix_ms() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

std::string Client::pushed() {
  std::lock_guard guard(pushed_mutex_);
  return std::exchange(pushed_, {});
}

void Client::push(std::string_view bytes) {
  std::lock_guard guard(pushed_mutex_);
  pushed_ += bytes;
}

void Client::take_pushes(std::string& to) {
  to += pushed();
}

}  // namespace respcask::server::testing
