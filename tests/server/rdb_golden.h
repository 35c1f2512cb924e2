// Golden DUMP payloads, as hexadecimal digits: one of each kind, footer included.
//
// The first group is what redis-server 7.0.15 answered to DUMP (of kStreamListpacks2, the times
// were set to 1700000000000 afterwards); the second, in encodings that older versions wrote, was
// made by hand after the formats' tables and loaded into redis-server 7.0.15, which read the same
// values.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "server/rdb/bytes.h"
#include "server/rdb/crc64.h"

namespace respcask::server::rdb::golden {

inline constexpr std::string_view kPlainString = "000568656c6c6f0a006372df766534200a";
inline constexpr std::string_view kEmptyString = "00000a005d9b5c400f7fa2da";
inline constexpr std::string_view kInt8String = "00c0800a009966326d2f0c5bd9";
inline constexpr std::string_view kInt16String = "00c1ff7f0a00495a37da17f4d52b";
inline constexpr std::string_view kInt32String = "00c2000000800a00c74f873e33558187";
inline constexpr std::string_view kInt64String =
    "0013393232333337323033363835343737353830370a003a657e9481e85f22";
inline constexpr std::string_view kCompressedString =
    "00c30b40b40361626361e0a5020162630a002b5b6bac6c26c36d";
inline constexpr std::string_view kIncompressibleString =
    "00246162636465666768696a6b6c6d6e6f707172737475767778797a303132333435363738390a00c3d18e5a"
    "ec8d8f0d";
inline constexpr std::string_view kListQuicklist2 =
    "120102212100000006008161020101f1ffef0380018362656504f4ffffffffffffff7f09ff0a005b1a01d405"
    "fa0a97";
inline constexpr std::string_view kListPlainNodes =
    "1203020a0a0000000100816102ff01177878787878303132333435363738396162636465666768020a0a0000"
    "000100816202ff0a00b880f11b1f3e53ee";
inline constexpr std::string_view kSetIntset16 =
    "0b0e0200000003000000feff01002c010a005b0aa862f794600a";
inline constexpr std::string_view kSetIntset32 =
    "0b140400000003000000feffffff01000000701101000a0030527df8cc311f3b";
inline constexpr std::string_view kSetIntset64 =
    "0bc31620040800000003200301feff80000001200be00000200c0a00b204b9239451eb9b";
inline constexpr std::string_view kSetStrings = "0202c007036f6e650a00b8bd7e80cde28cee";
inline constexpr std::string_view kHashListpack =
    "10c32a40631f6300000008008166028176020101020185656d707479068001846c6f6e6705e001406ce03600"
    "0142ff0a0004d8c03405a5c01e";
inline constexpr std::string_view kHashTable =
    "04010166c3094041016c6ce03400016c6c0a0093cc898cf2ff3218";
inline constexpr std::string_view kZsetListpack =
    "11c3404d40601d600000000e00826c6f03842d696e6605816d02dfff0281640293302e3130e0050008311481"
    "610203018162200407836269670497312ee005210c3031652b333030188268690383204e0104ff0a0016e78a"
    "0861345bf7";
inline constexpr std::string_view kZsetTable =
    "0502c3094041016d6de03400016d6d000000000000f83fc00200000000000000c00a005569cc459f8068f2";
inline constexpr std::string_view kStreamListpacks2 =
    "130110000000000000000500000000000000014054540000001f000301010102018161028162020001020100"
    "01000101018374776f040501020100010101030184666f757205050101010201dfff02010181630281780206"
    "0102010301dfff02817902817a020501ff030800050107000402026731080004030000000000000005000000"
    "00000000010068e5cf8b01000001000000000000000500000000000000020068e5cf8b010000010000000000"
    "00000800000000000000000068e5cf8b010000010205616c6963650068e5cf8b010000020000000000000005"
    "00000000000000010000000000000005000000000000000203626f620068e5cf8b0100000100000000000000"
    "080000000000000000026732050181ffffffffffffffff00000a0022f356832ac17670";

// By hand.
inline constexpr std::string_view kList = "01040161c00700036265650600e434a9ce68fafdeb";
inline constexpr std::string_view kSet = "020301620161c100010600b6f2ce63ec408f85";
inline constexpr std::string_view kZsetText =
    "0305016103312e350162fe0163ff0164022d33016513302e31303030303030303030303030303030310600d4"
    "a574fd0c6162a9";
inline constexpr std::string_view kHash = "040201660176016ec26079feff0600ee0b000376f4f027";
inline constexpr std::string_view kHashZipmap =
    "0918030166010076036b657900012300050276616c75652323ff0200d922cf2748a1791a";
inline constexpr std::string_view kListZiplist =
    "0a415c5c010000500100000f00000161fe03000000f106fd02fe0d03fe8003c07fff04c0ff7f04f0ff7fff05"
    "f0ffff7f05d0ffff7fff06e000000080000000000ae000000000000000800a00024104787878787878787878"
    "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "78787878787878787878787878787878787878787878787878787878787878fe07010000056166746572ff06"
    "00c825e0173cff5c6c";
inline constexpr std::string_view kZsetZiplist =
    "0c363600000030000000080000016d03feff0301640313302e313030303030303030303030303030303115f8"
    "02f4020268690403696e66ff06000e8760821007c4dc";
inline constexpr std::string_view kHashZiplist =
    "0d1a1a00000017000000060000016603017603f202f30201650300ff0600c8a0719547b15dfd";
inline constexpr std::string_view kListQuicklist =
    "0e0310100000000d000000020000016103f2ff0b0b0000000a0000000000ff13130000000d00000002000001"
    "6203f090eefeff0900c6e2e5bd0fba0ef7";
inline constexpr std::string_view kStreamListpacks =
    "0f0110000000000000000500000000000000013f3f0000001600020101010101816602000102010001000182"
    "763103040103010001010184676f6e6505040100010301f1ffff030101816702827632030601ff0208000407"
    "617466697273740501010000000000000005000000000000000100806e87740100000301016301806e877401"
    "00000100000000000000050000000000000001066265666f7265000000000661746c61737408000000066d69"
    "64646c650502000009005fdedaf97fdbb55c";

struct Named {
  std::string_view name;
  std::string_view hex;
};

// All of the above that can be a value here: streams cannot.
inline constexpr Named kAll[] = {
    {"PlainString", kPlainString},
    {"EmptyString", kEmptyString},
    {"Int8String", kInt8String},
    {"Int16String", kInt16String},
    {"Int32String", kInt32String},
    {"Int64String", kInt64String},
    {"CompressedString", kCompressedString},
    {"IncompressibleString", kIncompressibleString},
    {"ListQuicklist2", kListQuicklist2},
    {"ListPlainNodes", kListPlainNodes},
    {"SetIntset16", kSetIntset16},
    {"SetIntset32", kSetIntset32},
    {"SetIntset64", kSetIntset64},
    {"SetStrings", kSetStrings},
    {"HashListpack", kHashListpack},
    {"HashTable", kHashTable},
    {"ZsetListpack", kZsetListpack},
    {"ZsetTable", kZsetTable},
    {"List", kList},
    {"Set", kSet},
    {"ZsetText", kZsetText},
    {"Hash", kHash},
    {"HashZipmap", kHashZipmap},
    {"ListZiplist", kListZiplist},
    {"ZsetZiplist", kZsetZiplist},
    {"HashZiplist", kHashZiplist},
    {"ListQuicklist", kListQuicklist},
};

inline std::string bytes(std::string_view hex) {
  std::string out;
  for (; hex.size() >= 2; hex.remove_prefix(2)) {
    unsigned byte = 0;
    std::from_chars(hex.data(), hex.data() + 2, byte, 16);
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

// `body` (type byte first) with the footer of RDB version 10.
inline std::string close(std::string body) {
  append_little(body, 10, 2);
  append_little(body, crc64(body), 8);
  return body;
}

// The payload without its footer.
inline std::string body(std::string_view hex) {
  std::string out = bytes(hex);
  out.resize(out.size() - 10);
  return out;
}

}  // namespace respcask::server::rdb::golden
