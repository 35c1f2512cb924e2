#!/usr/bin/env python3
"""Shows that the tests catch what they are for: plants one fault at a time and runs a test that must fail.

usage: planted.py --check ROOT           every fault still has its place in the source (a quick test)
       planted.py ROOT [NAME...]         plants each, builds, and runs its test: scripts/faults

A fault is a replacement in one file of a copy of the tree, so that a release has no trace of it, not
even a switch. A test catches a fault if it fails, crashes or hangs with it, and passes without it.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import script

HANG_S = 300


@dataclasses.dataclass
class Fault:
    name: str
    file: str
    before: str
    after: str
    binary: str  # of tests/
    case: str = ""  # a doctest pattern; "" for all


ENGINE, SERVER, E2E, CRASH, LINEAR, RESP = (
    "engine-tests", "server-tests", "e2e-tests", "crash-tests", "linear-tests", "resp-tests")

FAULTS = [
    Fault("acknowledge before the sync",
          "engine/store_sync.cc",
          "  if (auto synced = part.active->file().sync_data(); !synced) return synced;\n"
          "  part.active->synced_bytes = part.active_size;\n",
          "  part.active->synced_bytes = part.active_size;\n",
          ENGINE, "with kAlways a power cut at any call loses nothing*"),
    Fault("acknowledge before the sync of the journal",
          "engine/journal.cc",
          "  if (auto synced = lanes_[lane].file->sync_data(); !synced) {\n",
          "  if (auto synced = Result<void>(); !synced) {\n",
          ENGINE, "with kAlways what a call has written or returned survives a power cut"),
    Fault("begin the journal again before the segments are synced",
          "engine/journal.cc",
          "  if (size > bytes_ / 8 || whole_blocks(size) > bytes_ - at_) return false;\n",
          "  if (size > bytes_ / 8) return false;\n"
          "  if (whole_blocks(size) > bytes_ - at_) restart();\n",
          ENGINE, "with kAlways a power cut at any call loses nothing*"),
    Fault("acknowledge before the write",
          "server/net/worker.cc",
          "  if (!turn_->touched.empty()) {\n    const engine::Result<engine::SyncPoint> committed = turn_->commit();",
          "  if (!turn_->touched.empty() && turn_number_ % 64 < 32) {\n"
          "    const engine::Result<engine::SyncPoint> committed = turn_->commit();",
          CRASH, "what was acknowledged survives*"),
    Fault("skip the sync of a directory",
          "engine/store_sync.cc",
          "  if (part.directory) {\n",
          "  if (part.directory && part.skip) {\n",
          ENGINE, "after a power cut no write stands that follows a lost one*,"
                  "a store agrees with a map through merges*"),
    Fault("try a failed sync again",
          "engine/store_sync.cc",
          "    failure = results[n].error();\n",
          "    if (sync_part(*shards_[touched[n]], plan.parts[touched[n]])) continue;\n"
          "    failure = results[n].error();\n",
          ENGINE, "a failed sync is final"),
    Fault("delete the inputs of a merge early",
          "engine/merge.cc",
          "  // What was reserved and not used is given back before the segment is synced for good.\n",
          "  for (const auto& input : inputs_) (void)files.unlink(input->path());\n",
          ENGINE, "*a power cut at any call of a merge loses nothing*"),
    Fault("drop a tombstone in a partial merge",
          "engine/merge.cc",
          "      return !marks_spent_ && !entry;\n",
          "      return false;\n",
          ENGINE, "a deleted key stays deleted after a merge*"),
    Fault("drop what a merge's input still holds",
          "engine/keydir_page.cc",
          "return location(slot) == where; });",
          "return location(slot).packed != ~where.packed; });",
          ENGINE, "a key deleted or overwritten while a merge copies it*"),
    Fault("forget an expiry in a merge",
          "engine/merge.cc",
          "    record.expiry_ms = entry->expiry_ms;\n    return true;\n",
          "    return true;\n",
          ENGINE, "expiries survive a merge*"),
    Fault("trust a hint without its checksum",
          "engine/hint.cc",
          "  return crc32c(block.substr(4)) == load<uint32_t>(block.data());\n",
          "  return !block.empty();\n",
          ENGINE, "the store opens from hints alone*"),
    Fault("skip the checksum of a value",
          "engine/format.cc",
          "  if (load<uint32_t>(&segment[offset]) != crc32c(value)) return std::nullopt;\n",
          "",
          ENGINE, "flipped bits and zeroed sectors are never served*"),
    Fault("cut a torn tail one byte off",
          "engine/recovery_tail.cc",
          "last.cut(cut_.offset);",
          "last.cut(cut_.offset - 1);",
          ENGINE, "a tail torn at any byte is cut*"),
    Fault("use a segment's id again",
          "engine/recovery_open.cc",
          "    shard_.next_segment_id_ = std::max(shard_.next_segment_id_, covered + 1);\n",
          "    shard_.next_segment_id_ = std::min(shard_.next_segment_id_, covered);\n",
          ENGINE, "a store agrees with a map*"),
    Fault("ignore the mark of a transaction",
          "engine/recovery.cc",
          "        if (there.contains(transaction.mark.shards)) continue;\n",
          "        if (!parts.empty()) continue;\n",
          ENGINE, "*a transaction is whole or absent*"),
    Fault("write on after a failed write",
          "engine/shard_write.cc",
          "  if (failed_ || options_.read_only) {\n",
          "  if (options_.read_only) {\n",
          ENGINE, "a failed write closes its shard*"),
    Fault("believe that a page is resident for ever",
          "engine/residency_map.cc",
          "bits->fetch_and(~bit, std::memory_order_relaxed);\n",
          "bits->fetch_or(bit, std::memory_order_relaxed);\n",
          ENGINE, "a page is resident once it was set*"),
    Fault("forget what the parser had read",
          "resp/parser.cc",
          "  if (base_ != unread.data()) move_args(unread.data());\n",
          "",
          RESP, "random commands come back as they were written*"),
    Fault("let replies pile up",
          "server/net/connection_output.cc",
          "  bool over = limit.hard_bytes != 0 && unsent >= limit.hard_bytes;\n",
          "  bool over = false;\n",
          E2E, "a subscriber that does not read is cut off*"),
    Fault("lose the wake-up of a blocked client",
          "server/execution.cc",
          "  turn.outbox.resume(waiter.link);\n",
          "",
          SERVER, "blocking*"),
    Fault("lock shards out of order",
          "server/scope.cc",
          "  for (uint32_t index : all) {\n",
          "  std::vector<uint32_t> order;\n"
          "  for (uint32_t index : all) order.push_back(index);\n"
          "  if (turn_.now_ms() % 2 == 0) std::reverse(order.begin(), order.end());\n"
          "  for (uint32_t index : order) {\n",
          LINEAR, "what clients see of hot keys*"),
    Fault("lock too few shards",
          "server/scope.cc",
          "    if (turn_.server.store.awaits_commit(lock_one(index))) turn_.touched.add(index);\n",
          "    if (turn_.server.store.awaits_commit(lock_one(index))) turn_.touched.add(index);\n"
          "    if (index % 2 == 1) turn_.server.store.shard(index).unlock();\n",
          LINEAR, "what clients see of hot keys*"),
]


def planted(fault, root):
    """The file's text with the fault in it; exits if the fault has no place there any more."""
    text = (root / fault.file).read_text()
    if text.count(fault.before) != 1:
        sys.exit(f"'{fault.name}': {fault.file} has {text.count(fault.before)} places for it, not one")
    return text.replace(fault.before, fault.after)


class Tree:
    """A copy of the source and its build."""

    def __init__(self, root):
        self.root = root
        self.copy = root / "build" / "faults"
        self.build = self.copy / "build"
        self.refresh()
        if not (self.build / "build.ninja").exists():
            subprocess.run([self.copy / "scripts/build"], check=True)
        self.environment = dict(
            os.environ, RESPCASK_SERVER=str(self.build / "server/respcask-server"),
            RESPCASK_GOLDEN=str(self.copy / "tests/engine/golden"), RESPCASK_SEED="1")

    def refresh(self):
        """Copies what has changed, so that only that is built again."""
        for folder in ("engine", "resp", "server", "tests", "scripts"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file():
                    self.put(path.relative_to(self.root), path.read_bytes())
                    shutil.copymode(path, self.copy / path.relative_to(self.root))
        for path in [*self.root.glob("meson*"), self.root / "README.md"]:
            self.put(path.name, path.read_bytes())

    def put(self, name, content):
        path = self.copy / name
        if path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def fails(self, fault):
        """Whether the fault's test fails; how, or None if it passes."""
        targets = [f"tests/{fault.binary}"]
        if fault.binary in (E2E, CRASH, LINEAR):
            targets += ["server/respcask-server", "server/respcask-check"]
        subprocess.run(["ninja", "-C", self.build, "--quiet", *targets], check=True)
        command = [*script.END_WITH_US, self.build / "tests" / fault.binary]
        if fault.case:
            command.append(f"--test-case={fault.case}")
        try:
            done = subprocess.run(command, env=self.environment, timeout=HANG_S,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return "hangs"
        if b"test cases: 0" in done.stdout.replace(b"  ", b" "):
            sys.exit(f"'{fault.name}': no test case is called {fault.case}")
        if done.returncode == 0:
            return None
        return "fails" if done.returncode > 0 else "crashes"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("root", type=pathlib.Path)
    arguments.add_argument("names", nargs="*")
    arguments = arguments.parse_args()
    unknown = set(arguments.names) - {f.name for f in FAULTS}
    if unknown:
        print(f"planted.py: no fault is called '{min(unknown)}'", file=sys.stderr)
        return 2
    root = arguments.root.resolve()
    faults = [f for f in FAULTS if not arguments.names or f.name in arguments.names]
    for fault in faults:
        planted(fault, root)
    if arguments.check:
        print(f"{len(faults)} faults have their places")
        return 0

    tree = Tree(root)
    missed = 0
    sound = {}
    for fault in faults:
        test = (fault.binary, fault.case)
        if test not in sound:
            sound[test] = tree.fails(fault) is None
        tree.put(fault.file, planted(fault, root).encode())
        how = tree.fails(fault)
        tree.put(fault.file, (root / fault.file).read_bytes())
        if not sound[test]:
            how = None
        missed += how is None
        verdict = f"caught: {fault.binary} {how}" if how else (
            "NOT CAUGHT" if sound[test] else "the test fails without it, too")
        print(f"{fault.name:45} {verdict}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
