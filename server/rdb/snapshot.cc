#include "server/rdb/snapshot.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rdb/budget.h"
#include "server/rdb/format.h"
#include "server/rdb/listpack.h"
#include "server/rdb/reader.h"
#include "server/rdb/writer.h"

namespace respcask::server::rdb {
namespace {

using engine::ErrorCode;

constexpr uint8_t kEnd = 0xff;
constexpr uint8_t kSelect = 0xfe;
constexpr uint8_t kExpirySeconds = 0xfd;
constexpr uint8_t kExpiryMs = 0xfc;
constexpr uint8_t kSizes = 0xfb;
constexpr uint8_t kAuxiliary = 0xfa;
constexpr uint8_t kFrequency = 0xf9;
constexpr uint8_t kIdle = 0xf8;
constexpr uint8_t kModuleAuxiliary = 0xf7;
constexpr uint8_t kFunction = 0xf5;
constexpr uint8_t kSlotSizes = 0xf4;
constexpr uint8_t kLeastOpcode = kSlotSizes;  // that is no type

// Types that no payload of ours has.
constexpr uint8_t kModule = 7;
constexpr uint8_t kStream = 15;
constexpr uint8_t kStream2 = 19;
constexpr uint8_t kSetListpack = 20;
constexpr uint8_t kStream3 = 21;

constexpr int kNewestVersion = 12;
constexpr int kFirstWithChecksum = 5;

// Whether a value is a count and so many elements, and not one string.
bool has_elements(uint8_t type) {
  switch (static_cast<Type>(type)) {
    case Type::kList:
    case Type::kSet:
    case Type::kZset:
    case Type::kHash:
    case Type::kZset2:
    case Type::kListQuicklist:
    case Type::kListQuicklist2:
      return true;
    default:
      return false;
  }
}

bool is_one_string(uint8_t type) {
  switch (static_cast<Type>(type)) {
    case Type::kString:
    case Type::kHashZipmap:
    case Type::kListZiplist:
    case Type::kSetIntset:
    case Type::kZsetZiplist:
    case Type::kHashZiplist:
    case Type::kHashListpack:
    case Type::kZsetListpack:
      return true;
    default:
      return type == kSetListpack;
  }
}

// The body may be most of what memory has: it is not copied.
std::string payload_of(uint8_t type, std::optional<uint64_t> count, std::string body) {
  Writer head(false);
  head.type(static_cast<Type>(type));
  if (count) head.length(*count);
  body.insert(0, head.bytes());
  return closed(std::move(body));
}

// Of a set that Redis 7.2 has written as a listpack, as those before it wrote sets; nothing if it
// is none.
std::optional<std::string> set_of_listpack(std::string_view raw) {
  Budget budget([](uint64_t) { return true; });
  std::string blob;
  if (!Reader(raw, budget).string(blob)) return std::nullopt;
  std::vector<std::string> members;
  ListpackReader listpack(blob);
  Element element;
  Step step = listpack.next(element);
  for (; step == Step::kElement; step = listpack.next(element)) {
    members.push_back(element.to_string());
  }
  if (step == Step::kDamaged) return std::nullopt;
  Writer payload(false);
  payload.type(Type::kSet);
  payload.length(members.size());
  for (const std::string& member : members) payload.string(member);
  return std::move(payload).finish();
}

}  // namespace

engine::Result<Snapshot::Piece*> Snapshot::next() {
  has_piece_ = false;
  bool good = version_ != 0 || read_header();
  if (good && elements_ > 0) good = read_elements();
  while (good && !has_piece_ && !ended_) good = read_item();
  if (!good) return bytes_.error();
  return has_piece_ ? &piece_ : nullptr;
}

bool Snapshot::read_header() {
  constexpr std::string_view kMagic = "REDIS";
  constexpr size_t kDigits = 4;
  bytes_.keep(true);
  if (!bytes_.skip(kMagic.size() + kDigits)) return false;
  bytes_.keep(false);
  const std::string header = bytes_.take_kept();
  if (!header.starts_with(kMagic))
    return bytes_.fail(ErrorCode::kDamaged, "not a snapshot of Redis");
  const char* const digits = header.data() + kMagic.size();
  const bool is_number =
      std::from_chars(digits, digits + kDigits, version_).ptr == digits + kDigits;
  if (!is_number) return bytes_.fail(ErrorCode::kDamaged, "not a snapshot of Redis");
  if (version_ >= 1 && version_ <= kNewestVersion) return true;
  return bytes_.fail(ErrorCode::kFormat, fmt::format("a snapshot of version {}", version_));
}

bool Snapshot::read_item() {
  uint64_t opcode = 0;
  if (!bytes_.little(1, opcode)) return false;
  if (opcode == kEnd) return read_end(bytes_.checksum());
  return opcode >= kLeastOpcode ? read_attribute(static_cast<uint8_t>(opcode))
                                : read_key(static_cast<uint8_t>(opcode));
}

bool Snapshot::read_end(uint64_t checksum) {
  ended_ = true;
  if (version_ < kFirstWithChecksum) return true;
  uint64_t stored = 0;
  if (!bytes_.little(sizeof stored, stored)) return false;
  if (stored == 0 || stored == checksum) return true;  // 0: not computed
  return bytes_.fail(ErrorCode::kDamaged, "the checksum of the file does not match");
}

bool Snapshot::read_attribute(uint8_t opcode) {
  uint64_t number = 0;
  switch (opcode) {
    case kSelect:
      return bytes_.length(db_);
    case kExpirySeconds:
      if (!bytes_.little(4, number)) return false;
      coming_.expiry_ms = int64_t{static_cast<int32_t>(number)} * 1000;
      return true;
    case kExpiryMs:
      if (!bytes_.little(8, number)) return false;
      coming_.expiry_ms = static_cast<int64_t>(number);
      return true;
    case kSizes:
      return bytes_.skip_lengths(2);
    case kAuxiliary:
      return bytes_.skip_string() && bytes_.skip_string();
    case kFrequency:
      if (!bytes_.little(1, number)) return false;
      coming_.frequency = static_cast<uint8_t>(number);
      return true;
    case kIdle:
      if (!bytes_.length(number)) return false;
      coming_.idle_s = number;
      return true;
    case kModuleAuxiliary:
      ++left_out_.module_records;
      return bytes_.skip_lengths(1) && skip_module_values();
    case kFunction:
      ++left_out_.functions;
      return bytes_.skip_string();
    case kSlotSizes:
      return bytes_.skip_lengths(3);
    default:
      return bytes_.fail(ErrorCode::kFormat, fmt::format("an unknown opcode, {}", opcode));
  }
}

bool Snapshot::read_key(uint8_t type) {
  piece_ = std::exchange(coming_, {});
  piece_.db = db_;
  piece_.is_first = true;
  if (!bytes_.string(piece_.key)) return false;
  type_ = type;
  if (has_elements(type)) return bytes_.length(elements_) && (elements_ == 0 || read_elements());
  if (is_one_string(type)) {
    std::string raw;
    if (!bytes_.raw_string(raw)) return false;
    std::optional<std::string> set;
    if (type == kSetListpack) set = set_of_listpack(raw);
    // Where it is no listpack it stays as it is: a payload that nobody takes for a value.
    piece_.payload = set ? *std::move(set) : payload_of(type, std::nullopt, std::move(raw));
    piece_.is_last = has_piece_ = true;
    return true;
  }
  switch (type) {
    case kStream:
    case kStream2:
    case kStream3:
      ++left_out_.streams;
      return skip_stream(type);
    case kModule:
      ++left_out_.module_values;
      return bytes_.skip_lengths(1) && skip_module_values();
    default:
      return bytes_.fail(ErrorCode::kFormat, fmt::format("an unknown type of value, {}", type));
  }
}

// As many as make a piece.
bool Snapshot::read_elements() {
  constexpr uint64_t kElementBytes = 16;  // beside its strings
  uint64_t count = 0;
  uint64_t unpacked = 0;
  bytes_.keep(true);
  (void)bytes_.take_unpacked();
  for (; elements_ > 0 && unpacked < piece_bytes_; ++count, --elements_) {
    if (!skip_element()) return false;
    unpacked += bytes_.take_unpacked() + kElementBytes;
  }
  bytes_.keep(false);
  piece_.payload = payload_of(type_, count, bytes_.take_kept());
  piece_.is_last = elements_ == 0;
  piece_.is_first = !std::exchange(begun_, !piece_.is_last);
  has_piece_ = true;
  return true;
}

bool Snapshot::skip_element() {
  switch (static_cast<Type>(type_)) {
    case Type::kZset:
      return bytes_.skip_string() && bytes_.skip_text_score();
    case Type::kZset2:
      return bytes_.skip_string() && bytes_.skip(sizeof(double));
    case Type::kHash:
      return bytes_.skip_string() && bytes_.skip_string();
    case Type::kListQuicklist2:
      return bytes_.skip_lengths(1) && bytes_.skip_string();
    default:
      return bytes_.skip_string();
  }
}

bool Snapshot::skip_stream(uint8_t type) {
  uint64_t nodes = 0;
  if (!bytes_.length(nodes)) return false;
  for (; nodes > 0; --nodes) {
    if (!bytes_.skip_string() || !bytes_.skip_string()) return false;
  }
  return bytes_.skip_lengths(type == kStream ? 3 : 8) && skip_groups(type);
}

bool Snapshot::skip_groups(uint8_t type) {
  constexpr uint64_t kIdBytes = 16;
  uint64_t groups = 0;
  if (!bytes_.length(groups)) return false;
  for (; groups > 0; --groups) {
    uint64_t pending = 0;
    if (!bytes_.skip_string() || !bytes_.skip_lengths(type == kStream ? 2 : 3)) return false;
    if (!bytes_.length(pending)) return false;
    for (; pending > 0; --pending) {
      if (!bytes_.skip(kIdBytes + 8) || !bytes_.skip_lengths(1)) return false;
    }
    uint64_t consumers = 0;
    if (!bytes_.length(consumers)) return false;
    for (; consumers > 0; --consumers) {
      if (!bytes_.skip_string() || !bytes_.skip(type == kStream3 ? 16 : 8)) return false;
      if (!bytes_.length(pending)) return false;
      for (; pending > 0; --pending) {
        if (!bytes_.skip(kIdBytes)) return false;
      }
    }
  }
  return true;
}

bool Snapshot::skip_module_values() {
  for (;;) {
    uint64_t kind = 0;
    if (!bytes_.length(kind)) return false;
    switch (kind) {
      case 0:
        return true;
      case 1:
      case 2:
        if (!bytes_.skip_lengths(1)) return false;
        break;
      case 3:
      case 4:
        if (!bytes_.skip(kind == 3 ? sizeof(float) : sizeof(double))) return false;
        break;
      case 5:
        if (!bytes_.skip_string()) return false;
        break;
      default:
        return bytes_.fail(ErrorCode::kDamaged, "a module's value is not what it should be");
    }
  }
}

}  // namespace respcask::server::rdb
