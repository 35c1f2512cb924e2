#include "engine/merge.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/within_memory.h"

namespace respcask::engine {
namespace {

constexpr size_t kSlice = 16;                // records looked at under one hold of the lock
constexpr size_t kBatchBytes = 64 * 1024;    // a batch of copied records ends above this
constexpr size_t kWriteBytes = 1024 * 1024;  // and is written out with others above this

bool is_element(RecordKind kind) {
  return kind == RecordKind::kElement || kind == RecordKind::kElementTombstone;
}

}  // namespace

Result<Merge::Report> Merge::run() {
  Result<void> done = within_memory([this]() -> Result<void> {
    begin();
    auto copied = copy();
    return copied && !report_.given_up ? settle() : copied;
  });
  if (!done || report_.given_up) {
    // A name that could not be removed is of no consequence: a temporary one goes with the next
    // start, and what has its final one holds nothing but what the inputs held and newer segments
    // did not replace.
    if (output_) output_->retire();
    hint_.reset();
    if (!final_path_.empty()) (void)shard_.options_.files->unlink(hint_path_of(final_path_));
    if (!done) return done.error();
    return report_;
  }
  Result<void> switched = within_memory([this] {
    auto moved = switch_over();
    return moved ? expect_no_rest() : moved;
  });
  drop_inputs(bool(switched));
  if (switched) return report_;
  return Error{ErrorCode::kDamaged,
               fmt::format("{}: {}; what it replaces is kept until the next start", final_path_,
                           switched.error().message)};
}

void Merge::begin() {
  {
    std::lock_guard guard(shard_);
    completed_ = shard_.completed_;
    // Of its own: later commands may still join the batch that is pending.
    sequence_ = ++shard_.sequence_;
    const auto& order = shard_.order_;
    auto at = std::find(order.begin(), order.end(), inputs_.front());
    uint64_t spent_to = UINT64_MAX;  // by what is older than the run
    for (auto older = order.begin(); older != at; ++older) {
      spent_to = std::min(spent_to, (*older)->marks_spent_to());
    }
    for (const auto& input : inputs_) {
      ++at;  // the one behind it
      const bool spent = input->last_sequence(at != order.end() ? at->get() : nullptr) < spent_to;
      const uint64_t needed = input->needed_bytes(spent);
      if (needed == 0) continue;
      needed_bytes_ += needed;
      report_.bytes_read += input->size();
      sources_.push_back({input, spent});
    }
  }
}

Result<void> Merge::copy() {
  SegmentHeader header = inputs_.front()->header();
  header.last_id = inputs_.back()->header().last_id;
  for (const auto& input : inputs_) {
    header.generation = std::max(header.generation, input->header().generation);
    header.first_sequence = std::max(header.first_sequence, input->header().first_sequence);
    report_.bytes_before += input->size();
  }
  ++header.generation;
  header.completed = completed_;
  final_path_ = shard_.segment_path(header.first_id, header.generation);
  FileSystem& files = *shard_.options_.files;
  const std::string temporary = final_path_ + ".tmp";
  if (auto old = files.stat(temporary); old && *old) (void)files.unlink(temporary);
  // The copy is at most as long as what it copies, with a frame for each batch and varints that may
  // have grown.
  auto output = Segment::create(files, temporary, header, report_.bytes_before * 2 + (1 << 20));
  if (!output) return output.error();
  output_ = std::move(*output);
  // A disk without room says so now, not after most has been copied.
  if (auto reserved = output_->reserve(kSegmentHeaderSize + needed_bytes_, 0); !reserved) {
    return reserved;
  }
  if (hooks_.with_hint) hint_.emplace(files, hint_path_of(final_path_), output_->header());

  std::optional<LogReader> log;
  for (const auto& [input, marks_spent] : sources_) {
    marks_spent_ = marks_spent;
    if (log)
      log->go_on_with(input->file(), input->identity(), input->size());
    else
      log.emplace(input->file(), input->identity(), input->size());
    auto copied = copy_from(*input, *log);
    if (!copied || report_.given_up) return copied;
  }
  if (auto copied = copy_namespaces(); !copied) return copied;
  return flush_batch(true);
}

Error Merge::mark_damaged(Segment& input, std::string_view why) {
  std::lock_guard guard(shard_);
  input.damaged = true;
  return Error{ErrorCode::kDamaged, fmt::format("{}: not merged, {}", input.path(), why)};
}

// kDamaged: a batch is invalid or cannot be read, or the input is not what its hint says; it is
// marked.
Result<void> Merge::copy_from(Segment& input, LogReader& log) {
  std::optional<HintReader> hint;
  if (input.from_hint) {
    hint = HintReader::open_in_blocks(*shard_.options_.files, input.path(), input.header());
  }
  // A hint leaves out what was superseded, but changes no order.
  std::optional<PlacedRecord> told = hint ? hint->next() : std::nullopt;
  std::vector<Candidate> slice;
  slice.reserve(kSlice);
  Result<void> copied;
  auto take_slice = [&] {
    if (!slice.empty()) copied = copy_slice(input, slice);
    slice.clear();
    return bool(copied) && !report_.given_up;
  };
  for (uint64_t at = kSegmentHeaderSize; at < input.size();) {
    // What the slice holds are views of what was read before.
    if (!log.holds(at) && !take_slice()) return copied;
    auto batch = log.batch(at);
    if (!batch) return mark_damaged(input, "it is damaged");
    while (const auto next = batch->next_whole()) {
      const auto& [placed, value] = *next;
      if (told && *told == placed) told = hint->next();
      slice.push_back({placed, value, hash_of(placed.record), false});
      const bool full = slice.size() == kSlice || !batch->is_next_at_hand();
      if (full && !take_slice()) return copied;
    }
    if (batch->has_failed()) return mark_damaged(input, "it cannot be read again");
    at = batch->end();
  }
  if (told || (hint && hint->has_failed()))
    return mark_damaged(input, "its hint is of another segment");
  take_slice();
  return copied;
}

// An element is looked up by a hash of its index's own.
uint64_t Merge::hash_of(const Record& record) const {
  return is_element(record.kind) ? 0 : shard_.hash(record.name);
}

Result<void> Merge::copy_slice(const Segment& input, std::span<Candidate> slice) {
  {
    std::lock_guard guard(shard_);
    prefetch(std::span<const Candidate>(slice));
    for (Candidate& candidate : slice) candidate.keep = counts(input, candidate);
  }
  uint64_t moved = 0;
  for (const Candidate& candidate : slice) {
    const uint64_t bytes = accounted_size(candidate.placed.record);
    moved += candidate.keep ? 2 * bytes : bytes;
    const Record& record = candidate.placed.record;
    if (record.kind == RecordKind::kNamespace) namespaces_[record.owner] = record.name;
    if (!candidate.keep) continue;
    if (auto copied = copy_record(input, candidate); !copied) return copied;
  }
  if (hooks_.pace && !hooks_.pace(moved)) report_.given_up = true;
  return {};
}

Result<void> Merge::copy_record(const Segment& input, const Candidate& candidate) {
  const Record& record = candidate.placed.record;
  if (!batch_.is_open()) begin_batch();
  // The pending log is what the output is going to have behind its end.
  const uint64_t pending_at = output_->size();
  const BatchBuilder::Place place = batch_.append(record);
  if (auto added = note_in_hint({record, pending_at + place.value_offset}); !added) return added;
  if (has_value(record.kind)) {
    std::memcpy(place.value, candidate.value.data(), candidate.value.size());
    output_->live_bytes += accounted_size(record);
    origins_.add(Location::at(input.slot, candidate.placed.value_offset));
  } else {
    output_->add_mark(record);
  }
  ++report_.records_copied;
  return batch_.size() >= kBatchBytes ? flush_batch(false) : Result<void>();
}

// What the inputs say last of the namespaces of databases, where nothing newer does. Keys are of a
// namespace whatever database it is, so it may stand behind them.
Result<void> Merge::copy_namespaces() {
  {
    std::lock_guard guard(shard_);
    const auto& records = shard_.namespace_records_;
    std::erase_if(namespaces_, [&](const auto& item) {
      return item.first >= records.size() || !is_in_inputs(records[item.first]);
    });
  }
  for (const auto& [db, name] : namespaces_) {
    Candidate candidate;
    candidate.placed.record.kind = RecordKind::kNamespace;
    candidate.placed.record.owner = db;
    candidate.placed.record.name = name;
    if (auto copied = copy_record(*inputs_.back(), candidate); !copied) return copied;
  }
  return {};
}

// Without its hint a segment costs time at the next start: where there is no room for one, the
// merge goes on without.
Result<void> Merge::note_in_hint(const PlacedRecord& placed) {
  if (!hint_) return {};
  auto added = hint_->add(placed);
  if (added || !is_shortage(added.error().code)) return added;
  hint_.reset();
  return {};
}

void Merge::begin_batch() {
  batch_.begin(sequence_, batch_seed(output_->identity(), output_->size() + pending_.size()));
}

Result<void> Merge::flush_batch(bool last) {
  // The last batch, empty if need be, keeps the sequence from being given out again when all
  // batches that carried it are gone.
  if (last && !batch_.is_open()) begin_batch();
  if (batch_.is_open()) batch_.end(0, completed_, nullptr);
  held_.set(pending_.memory_bytes());
  origins_held_.set(origins_.memory_bytes());
  if (!last && pending_.size() < kWriteBytes) return {};
  if (auto reserved = output_->reserve(output_->size() + pending_.size(), kWriteBytes); !reserved) {
    return reserved;
  }
  auto written = output_->append(pending_.pieces());
  pending_.clear();
  held_.set(pending_.memory_bytes());
  return written;
}

// Starts loading what the records are going to be looked up in, so that the waits for memory run
// side by side and the lock is held for one of them.
template <class Item>
void Merge::prefetch(std::span<const Item> slice) const {
  struct Look {
    const Keydir* keys;         // null: an element
    const ElementIndex* index;  // null: a key
    uint64_t hash;
  };
  std::array<Look, kSlice> looks;
  size_t count = 0;
  for (const Item& item : slice) {
    const Record& record = item.placed.record;
    if (is_element(record.kind)) {
      const ElementIndex* const index = index_of(record.owner);
      if (index != nullptr) looks[count++] = {nullptr, index, index->hash(record.name)};
    } else if (const Keydir* const keys = keys_of(record.owner)) {
      looks[count++] = {keys, nullptr, item.hash};
    }
  }
  for (int step = 0; step < ElementIndex::kLoadSteps; ++step) {
    for (const Look& look : std::span(looks).first(count)) {
      if (look.index != nullptr)
        look.index->prefetch(look.hash, step);
      else if (step == 0)
        look.keys->prefetch(look.hash);
      else if (step == 1)
        look.keys->prefetch_entry(look.hash);
    }
  }
}

// True if the record has to be in the output. Brings a put's expiry up to date.
bool Merge::counts(const Segment& input, Candidate& candidate) const {
  const PlacedRecord& placed = candidate.placed;
  Record& record = candidate.placed.record;
  const Location here = Location::at(input.slot, placed.value_offset);
  switch (record.kind) {
    case RecordKind::kElement: {
      const ElementIndex* const index = index_of(record.owner);
      return index != nullptr && index->is_live(record.name, here);
    }
    case RecordKind::kElementTombstone: {
      // Older segments may hold the element, while its collection lives.
      const ElementIndex* const index = index_of(record.owner);
      return !marks_spent_ && index != nullptr && !index->contains(record.name);
    }
    case RecordKind::kNamespace:
      return false;  // until it is known to be the last: copy_namespaces()
    default:
      break;
  }
  Keydir* keys = keys_of(record.owner);
  if (keys == nullptr) return false;  // the database was flushed
  if (record.kind == RecordKind::kPut || record.kind == RecordKind::kSplitRoot) {
    const auto entry = keys->find_at(candidate.hash, here);
    if (!entry || entry->value_size != record.value_size) return false;
    record.expiry_ms = entry->expiry_ms;
    return true;
  }
  const auto entry = keys->find(record.name, candidate.hash);
  switch (record.kind) {
    case RecordKind::kTombstone:
      // Dropped earlier, it would bring back what an older segment still holds of the key.
      return !marks_spent_ && !entry;
    case RecordKind::kExpiry: {
      if (marks_spent_ || !entry || entry->expiry_ms != record.expiry_ms) return false;
      // The put itself carries the expiry wherever a merge rewrites it, and whatever was put later
      // knows its own; only a put in an older segment needs this record.
      const uint64_t put_id = shard_.segments_[entry->where.slot()]->header().first_id;
      return put_id < inputs_.front()->header().first_id;
    }
    default:
      return false;
  }
}

bool Merge::is_in_inputs(const Shard::NamespaceRecord& record) const {
  return record.bytes > 0 && std::any_of(inputs_.begin(), inputs_.end(), [&](const auto& input) {
           return input->slot == record.slot;
         });
}

Keydir* Merge::keys_of(uint64_t namespace_id) const {
  for (auto& database : shard_.databases_) {
    if (database->id == namespace_id) return &database->keys;
  }
  return nullptr;
}

ElementIndex* Merge::index_of(uint64_t collection_id) const {
  const auto found = shard_.collections_.find(collection_id);
  return found != shard_.collections_.end() ? found->second.get() : nullptr;
}

Result<void> Merge::settle() {
  FileSystem& files = *shard_.options_.files;
  // What was reserved and not used is given back before the segment is synced for good.
  if (auto cut = output_->cut(output_->size()); !cut) return cut;
  if (auto synced = output_->file().sync_all(); !synced) return synced;
  output_->synced_bytes = output_->size();
  if (auto synced = hooks_.sync_store(); !synced) return synced;
  HintSummary summary;
  summary.covered = output_->size();
  summary.sequence = sequence_;
  summary.completed = completed_;
  if (hint_) {
    auto hint = hint_->finish(summary);
    if (!hint && !is_shortage(hint.error().code)) return hint;
    output_->has_hint = bool(hint);
  }
  if (!output_->has_hint) {
    hint_.reset();
    report_.without_hint = output_;
    // Nor may there be one that a merge which was given up has left under its name.
    const std::string path = hint_path_of(final_path_);
    if (auto old = files.stat(path); !old || *old) {
      if (auto removed = files.unlink(path); !removed) return removed;
    }
  }
  // The hint's name comes first: a merge of the same segments that was given up may have left
  // another hint by this name on the device, and it must not be found beside the segment.
  const std::string dir = final_path_.substr(0, final_path_.rfind('/'));
  if (auto synced = files.sync_directory(dir); !synced) return synced;
  if (auto renamed = output_->rename(final_path_); !renamed) return renamed;
  return files.sync_directory(dir);
}

// On an error some entries still point to the inputs.
Result<void> Merge::switch_over() {
  bool room = false;
  {
    std::lock_guard guard(shard_);
    room = !shard_.crowded();
    output_->sealed = true;
    output_->settled = true;
    // Counted afresh as entries are moved over: what changed since it was copied is dead already.
    const uint64_t accounted = output_->live_bytes + output_->mark_bytes;
    output_->framing_bytes = framing_of(*output_, accounted);
    output_->live_bytes = 0;
    output_->rewritten_sequence = sequence_;
    shard_.take_slot(output_);
    switch_namespaces();
  }
  if (room) output_->populate();
  LogReader log(output_->file(), output_->identity(), output_->size());
  std::vector<Move> slice;
  slice.reserve(kSlice);
  for (uint64_t at = kSegmentHeaderSize; at < output_->size();) {
    auto batch = log.batch(at);
    if (!batch) return Error{ErrorCode::kDamaged, "could not be read again"};
    while (auto placed = batch->next()) {
      if (has_value(placed->record.kind)) {
        const auto from = origins_.next();
        assert(from);
        slice.push_back({*placed, *from, hash_of(placed->record)});
      }
      if (slice.size() < kSlice && batch->is_next_at_hand()) continue;
      switch_slice(slice);
    }
    if (batch->has_failed()) return Error{ErrorCode::kDamaged, "could not be read again"};
    // Its names are views of what the next batch may be read over.
    switch_slice(slice);
    at = batch->end();
  }
  return {};
}

// Counted afresh, too: a database may have become another namespace since.
void Merge::switch_namespaces() {
  output_->drop_namespace(output_->namespace_bytes);
  for (Shard::NamespaceRecord& record : shard_.namespace_records_) {
    if (!is_in_inputs(record)) continue;
    record.slot = output_->slot;
    output_->add_namespace(record.bytes);
  }
}

// What was dropped with its collection or database counts until it has been taken apart, and
// nothing that is dropped from now on is in the inputs. Whatever else still counts would be lost
// with them.
Result<void> Merge::expect_no_rest() {
  for (;;) {
    {
      std::lock_guard guard(shard_);
      const bool none = std::all_of(inputs_.begin(), inputs_.end(),
                                    [](const auto& input) { return input->live_bytes == 0; });
      if (none) return {};
      if (shard_.garbage_.empty() && shard_.garbage_in_hand_.empty()) {
        return Error{ErrorCode::kDamaged, "lacks some of what it was made of"};
      }
    }
    // What is left may be in another thread's hands, and large.
    if (!shard_.collect_garbage()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Leaves the slice empty.
void Merge::switch_slice(std::vector<Move>& slice) {
  uint64_t looked_up = 0;
  {
    std::lock_guard guard(shard_);
    prefetch(std::span<const Move>(slice));
    for (const Move& move : slice) {
      const Record& record = move.placed.record;
      looked_up += accounted_size(record.name.size(), 0);
      const Location to = Location::at(output_->slot, move.placed.value_offset);
      bool moved = false;
      if (record.kind == RecordKind::kElement) {
        ElementIndex* const index = index_of(record.owner);
        moved = index != nullptr && index->relocate(record.name, move.from, to);
      } else if (Keydir* const keys = keys_of(record.owner)) {
        moved = keys->relocate(move.hash, move.from, to);
      }
      if (!moved) continue;
      output_->live_bytes += accounted_size(record);
      shard_.drop_live(move.from, accounted_size(record));
    }
  }
  slice.clear();
  // It is too late to give up.
  if (hooks_.pace) (void)hooks_.pace(looked_up);
}

void Merge::drop_inputs(bool switched) {
  std::lock_guard guard(shard_);
  auto& order = shard_.order_;
  auto first = std::find(order.begin(), order.end(), inputs_.front());
  assert(first != order.end());
  *first = output_;
  order.erase(first + 1, first + static_cast<ptrdiff_t>(inputs_.size()));
  report_.bytes_after = output_->size();
  if (!switched) {
    // What was not moved is read where it was: the inputs keep their slots, and their files until
    // the next start. The output must not be merged, for it would seem to hold less than it does.
    output_->damaged = true;
    return;
  }
  for (const auto& input : inputs_) {
    shard_.drop_slot(input->slot);
    shard_.retire(input);
  }
}

}  // namespace respcask::engine
