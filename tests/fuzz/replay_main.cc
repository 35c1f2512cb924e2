// Runs a fuzz target without libFuzzer, under any compiler.
//
//   NAME-replay FILE...          runs each file, such as a crash that the fuzzer saved
//   NAME-replay --random N [SEED] runs N random inputs and prints the seed
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Bytes that text formats and protocols use much, and any others.
void run_random(uint64_t count, uint64_t seed) {
  static constexpr char kFrequent[] = "\r\n\r\n$*0123456789-\"'\\x PING\t";
  std::mt19937_64 random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    std::string input(random() % 100, '\0');
    for (char& byte : input) {
      const bool frequent = random() % 8 != 0;
      byte = frequent ? kFrequent[random() % (sizeof kFrequent - 1)] : static_cast<char>(random());
    }
    run(input);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && std::strcmp(argv[1], "--random") == 0) {
    const uint64_t seed = argc >= 4 ? std::strtoull(argv[3], nullptr, 10) : std::random_device{}();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    run_random(std::strtoull(argv[2], nullptr, 10), seed);
    return 0;
  }
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot be read\n", argv[i]);
      return 1;
    }
    run({std::istreambuf_iterator<char>(file), {}});
  }
  return 0;
}
