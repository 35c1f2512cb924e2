// Runs a fuzz target without libFuzzer, under any compiler.
//
//   NAME-replay [--random N] [--seed SEED] [PATH...]
//
// Runs N random inputs and prints their seed, then each file, such as a crash that the fuzzer
// saved, and each file of a directory, such as a corpus.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Every other input is of bytes that text formats and protocols use much, and some others.
void run_random(uint64_t count, uint64_t seed) {
  static constexpr char kFrequent[] = "\r\n\r\n$*0123456789-\"'\\x PING\t";
  std::mt19937_64 random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    std::string input(random() % 100, '\0');
    const unsigned others = random() % 2 == 0 ? 1 : 8;  // of 8
    for (char& byte : input) {
      const bool frequent = random() % 8 >= others;
      byte = frequent ? kFrequent[random() % (sizeof kFrequent - 1)] : static_cast<char>(random());
    }
    run(input);
  }
}

bool run_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    return false;
  }
  run({std::istreambuf_iterator<char>(file), {}});
  return true;
}

bool run_path(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return run_file(path);
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (!run_file(entry.path())) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t count = 0;
  uint64_t seed = std::random_device{}();
  int i = 1;
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    uint64_t& number = std::strcmp(argv[i], "--seed") == 0 ? seed : count;
    number = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (count > 0) {
    std::printf("--seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    run_random(count, seed);
  }
  for (; i < argc; ++i) {
    if (!run_path(argv[i])) return 1;
  }
  return 0;
}
