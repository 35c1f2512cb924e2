#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <iostream>

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // how far a long run is shows at once, in a file too
  return doctest::Context(argc, argv).run();
}
