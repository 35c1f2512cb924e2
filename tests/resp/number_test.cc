#include "resp/number.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>

namespace respcask::resp {
namespace {

std::string int_text(int64_t value) {
  char digits[kMaxInt64Chars];
  return {digits, format_int64(digits, value)};
}

std::string double_text(double value) {
  char digits[kMaxDoubleChars];
  return {digits, format_double(digits, value)};
}

std::string printf_text(double value) {
  char digits[64];
  std::snprintf(digits, sizeof digits, "%.17g", value);
  return digits;
}

TEST_CASE("an integer has one spelling") {
  CHECK(parse_int64("0") == 0);
  CHECK(parse_int64("7") == 7);
  CHECK(parse_int64("-1") == -1);
  CHECK(parse_int64("9223372036854775807") == INT64_MAX);
  CHECK(parse_int64("-9223372036854775808") == INT64_MIN);
  for (const std::string_view text : {"",
                                      "-",
                                      "+",
                                      "+1",
                                      "-0",
                                      "00",
                                      "01",
                                      "-01",
                                      " 1",
                                      "1 ",
                                      "1\n",
                                      "0x1",
                                      "1.0",
                                      "1e3",
                                      "a",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "9999999999999999999",
                                      "-9999999999999999999",
                                      "18446744073709551616",
                                      "10000000000000000000",
                                      "18446744073709551617",
                                      "100000000000000000000000"}) {
    CAPTURE(std::string(text));
    CHECK(parse_int64(text) == std::nullopt);
  }
  CHECK(parse_int64(std::string_view("1\0", 2)) == std::nullopt);
  CHECK(parse_int64(std::string_view("12", 1)) == 1);
}

TEST_CASE("integers come back from their text") {
  const uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int64_t value : {INT64_MIN, INT64_MIN + 1, int64_t{-1}, int64_t{0}, INT64_MAX}) {
    CHECK(int_text(value) == std::to_string(value));
    CHECK(parse_int64(int_text(value)) == value);
  }
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<int64_t>(random()) >> (random() % 64);
    REQUIRE(int_text(value) == std::to_string(value));
    REQUIRE(parse_int64(int_text(value)) == value);
  }
}

TEST_CASE("a double is what strtod takes whole, but not NaN") {
  CHECK(parse_double("1") == 1.0);
  CHECK(parse_double("+1") == 1.0);
  CHECK(parse_double("01") == 1.0);
  CHECK(parse_double(".5") == 0.5);
  CHECK(parse_double("5.") == 5.0);
  CHECK(parse_double("1e3") == 1000.0);
  CHECK(parse_double("0x10") == 16.0);
  CHECK(parse_double("0x1p-3") == 0.125);
  CHECK(parse_double("1e-310") == 1e-310);
  CHECK(parse_double("4.9e-324") == 5e-324);
  CHECK(parse_double("1.7976931348623157e308") == 1.7976931348623157e308);
  CHECK(parse_double("123456789012345") == 123456789012345.0);
  CHECK(parse_double("9007199254740993") == 9007199254740992.0);
  CHECK(parse_double("0.1") == 0.1);
  for (const char* text : {"inf", "+inf", "INF", "infinity", "+Infinity"}) {
    CHECK(parse_double(text) == HUGE_VAL);
  }
  CHECK(parse_double("-inf") == -HUGE_VAL);
  REQUIRE(parse_double("-0"));
  CHECK(std::signbit(*parse_double("-0")));
  CHECK(parse_double(std::string(9000, '0') + "1") == 1.0);
  CHECK(parse_double(std::string_view("1.25", 3)) == 1.2);
  for (const char* text : {"", " 1", "\t1", "\v1", "1 ", "1x", ".", "1e", "nan", "-nan", "NAN(1)",
                           "infinit", "0x", "1_0", "1,5", "1e400", "-1e400", "1e-400", "-1e-400"}) {
    CAPTURE(std::string(text));
    CHECK(parse_double(text) == std::nullopt);
  }
  CHECK(parse_double(std::string_view("1\0", 2)) == std::nullopt);
  CHECK(parse_double(std::string_view("\0", 1)) == std::nullopt);
}

TEST_CASE("a long double reaches further and is shorter than 5 KiB") {
  CHECK(parse_long_double("0.1") == 0.1L);
  CHECK(parse_long_double("1e400") == 1e400L);
  CHECK(parse_long_double("1e-400") == 1e-400L);
  CHECK(parse_long_double("-INF") == -static_cast<long double>(HUGE_VAL));
  CHECK(parse_long_double(std::string(5118, '0') + "1") == 1.0L);
  CHECK(parse_long_double(std::string(5119, '0') + "1") == std::nullopt);
  for (const char* text : {"", " 1", "1 ", "1x", "nan", "1e5000", "-1e5000", "1e-5000"}) {
    CAPTURE(std::string(text));
    CHECK(parse_long_double(text) == std::nullopt);
  }
  CHECK(parse_long_double(std::string_view("1\0", 2)) == std::nullopt);
}

TEST_CASE("a double is written with 17 digits as printf does") {
  CHECK(double_text(0.0) == "0");
  CHECK(double_text(-0.0) == "-0");
  CHECK(double_text(3) == "3");
  CHECK(double_text(1.1) == "1.1000000000000001");
  CHECK(double_text(3.14159) == "3.1415899999999999");
  CHECK(double_text(1e16) == "10000000000000000");
  CHECK(double_text(1e17) == "1e+17");
  CHECK(double_text(HUGE_VAL) == "inf");
  CHECK(double_text(-HUGE_VAL) == "-inf");
  CHECK(double_text(std::nan("")) == "nan");
  CHECK(double_text(-2.2250738585072014e-308).size() == kMaxDoubleChars);

  const uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const double bits = std::bit_cast<double>(random());
    REQUIRE(double_text(bits) == printf_text(bits));
    const auto integer = static_cast<double>(static_cast<int64_t>(random()) >> (random() % 64));
    REQUIRE(double_text(integer) == printf_text(integer));
    const double decimal = static_cast<double>(static_cast<int64_t>(random() % 1'000'000)) / 1000;
    REQUIRE(double_text(decimal) == printf_text(decimal));
    REQUIRE(parse_double(double_text(decimal)) == decimal);
  }
}

TEST_CASE("a long double is written without exponent and without zeros at its end") {
  const auto text = [](long double value) {
    char buffer[kMaxLongDoubleChars];
    return std::string(buffer, format_long_double(buffer, value));
  };
  CHECK(text(0) == "0");
  CHECK(text(-0.0L) == "0");
  CHECK(text(100) == "100");
  CHECK(text(-10.5L) == "-10.5");
  CHECK(text(3.1L) == "3.1");
  CHECK(text(1e-17L) == "0.00000000000000001");
  CHECK(text(1e-18L) == "0");
  CHECK(text(1e20L) == "100000000000000000000");
  CHECK(text(1.1e4932L).size() == 4933);
}

}  // namespace
}  // namespace respcask::resp
