#!/usr/bin/env python3
"""usage: check_test.py RESPCASK-SERVER RESPCASK-CHECK: runs the check's binary over stores that a
server has made, sound, damaged, in use and missing, and compares exit codes and what is printed."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import script
from running_server import RunningServer

SERVER, CHECK = sys.argv[1:]
KEYS = 2000


class Server(RunningServer):
    def __init__(self, directory, *options):
        super().__init__([SERVER, "--dir", directory, "--shards", "2", *options])

    def call(self, *words):
        self.send(*words)
        line = self.replies.readline()
        if line[:1] == b"$" and line != b"$-1\r\n":
            return self.replies.read(int(line[1:]) + 2)[:-2]
        return line

    def stop(self):
        self.socket.close()
        self.process.terminate()
        expect(self.process.wait(60) == 0, "the server stops")


def check(*arguments):
    done = subprocess.run([CHECK, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def value_of(i):
    return b"value-%d-" % i + b"v" * 500


def main(scratch):
    store = scratch / "store"
    server = Server(str(store))
    for i in range(KEYS):
        server.call(b"SET", b"key-%d" % i, value_of(i))
    server.call(b"RPUSH", b"list", *[b"element-%d-" % i + b"e" * 50 for i in range(300)])

    code, out, err = check(store)
    expect(code == 2 and "another process is using this store" in err, f"a store in use: {code} {err}")
    server.stop()

    code, out, err = check(store)
    expect(code == 0, f"a sound store: {code} {out} {err}")
    summary = re.fullmatch(r"(\d+) segments, (\d+) hints, (\d+) bytes: (\d+) records, (\d+) values; "
                           r"0 damaged, 0 notes\n", out)
    expect(summary, f"the summary: {out}")
    expect(int(summary[4]) > KEYS and int(summary[5]) > KEYS, f"counts: {out}")
    expect(re.search(r"^(\d+) of \1 bytes, 100 %$", err, re.M), f"progress: {err}")
    code, out, err = check("--quiet", store)
    expect(code == 0 and err == "", f"--quiet: {err}")

    for arguments in ([], ["--nonsense", store], [store, store], ["--repair"]):
        code, out, err = check(*arguments)
        expect(code == 2 and err.startswith("usage: respcask-check"), f"{arguments}: {code} {err}")
    code, out, err = check(scratch / "missing")
    expect(code == 2 and "no store is here" in err, f"a missing store: {code} {err}")
    expect(not (scratch / "missing").exists(), "a check creates nothing")

    # One byte of one value.
    lost = 700
    damaged = None
    for path in sorted(store.glob("shard-*/*.seg")):
        content = path.read_bytes()
        at = content.find(value_of(lost))
        if at >= 0:
            damaged = path
            path.write_bytes(content[:at + 20] + b"X" + content[at + 21:])
    expect(damaged, "the value is found in the files")
    code, out, err = check("--quiet", store)
    expect(code == 1, f"a damaged store: {code}")
    expect(re.search(rf"^damage: {re.escape(str(damaged))} at offset \d+: a value that does not match "
                     rf'its checksum \(key "key-{lost}"\)$', out, re.M), f"the finding: {out}")
    expect("; 1 damaged, 0 notes" in out, f"the sum: {out}")

    # What can be read goes to a new store; the old one stays as it is.
    before = {p: p.read_bytes() for p in store.rglob("*.seg")}
    repaired = scratch / "repaired"
    code, out, err = check("--quiet", "--repair", repaired, store)
    expect(code == 1, f"a repair: {code} {err}")
    expect(re.search(rf'^lost: .*\(key "key-{lost}"\)$', out, re.M), f"what is lost: {out}")
    expect(re.search(rf"^{KEYS} keys and \d+ elements copied to {re.escape(str(repaired))}, 1 lost$",
                     out, re.M), f"what was copied: {out}")
    expect(before == {p: p.read_bytes() for p in store.rglob("*.seg")}, "a repair changes nothing")
    code, out, err = check("--quiet", repaired)
    expect(code == 0, f"the repaired store: {code} {out}")
    code, out, err = check("--quiet", "--repair", repaired, store)
    expect(code == 2 and "is not empty" in err, f"a repair into what is there: {code} {err}")
    expect(out == "", f"it was read nonetheless: {out}")
    for within in (store, store / "out", store / "../store/shard-00/out", store / "a/b"):
        code, out, err = check("--quiet", "--repair", within, store)
        expect(code == 2 and "stays as it is" in err, f"a repair into itself: {code} {err}")
    expect(not (store / "out").exists(), "a repair into itself made something")
    server = Server(str(repaired))
    for i in range(KEYS):
        expected = b"$-1\r\n" if i == lost else value_of(i)
        expect(server.call(b"GET", b"key-%d" % i) == expected, f"key-{i} after the repair")
    expect(server.call(b"LLEN", b"list") == b":300\r\n", "the list after the repair")
    server.stop()

    # A long string that has lost a part of itself is lost, not served with zeros in it.
    server = Server(str(repaired))
    server.call(b"SET", b"long", b"".join(b"chunk-%06d." % i for i in range(25000)))
    server.call(b"SET", b"other", b"o" * 300000)
    server.stop()
    for path in sorted(repaired.glob("shard-*/*.seg")):
        content = path.read_bytes()
        at = content.find(b"chunk-012345.")
        if at >= 0:
            path.write_bytes(content[:at] + b"X" + content[at + 1:])
    without = scratch / "without"
    code, out, err = check("--quiet", "--repair", without, repaired)
    expect(code == 1 and re.search(r'^lost: .*the whole key.*\(key "long"\)$', out, re.M),
           f"a damaged long string: {code} {out} {err}")
    server = Server(str(without))
    expect(server.call(b"GET", b"long") == b"$-1\r\n", "what is lost of a long string")
    expect(server.call(b"GET", b"other") == b"o" * 300000, "another long string")
    server.stop()
    shutil.rmtree(repaired)
    without.rename(repaired)

    # Without its record a store is refused, and repaired by what the segments say.
    (repaired / "STORE").unlink()
    done = subprocess.run([SERVER, "--port", str(script.free_port()), "--dir", str(repaired)],
                          capture_output=True, text=True, timeout=60)
    expect(done.returncode == 1 and "respcask-check --repair makes a store" in done.stdout + done.stderr,
           f"a start without STORE: {done.returncode} {done.stdout} {done.stderr}")
    again = scratch / "again"
    code, out, err = check("--quiet", "--repair", again, repaired)
    expect(code == 1 and re.search(rf"^damage: {re.escape(str(repaired))}/STORE ", out, re.M),
           f"a repair without STORE: {code} {out} {err}")
    code, out, err = check("--quiet", again)
    expect(code == 0, f"the store repaired without STORE: {code} {out}")
    server = Server(str(again))
    expect(server.call(b"DBSIZE") == b":%d\r\n" % (KEYS + 1), "the keys after that repair")
    server.stop()


def every_database_is_repaired(scratch):
    store, repaired = str(scratch / "many"), str(scratch / "many-repaired")
    databases = ("--databases", "65535")
    server = Server(store, *databases)
    for db in (b"0", b"16384", b"65534"):
        server.call(b"SELECT", db)
        expect(server.call(b"SET", b"key", b"of " + db) == b"+OK\r\n", f"a key in database {db}")
    server.stop()
    code, out, err = check("--quiet", "--repair", repaired, store)
    expect(code == 0 and "\n3 keys and 0 elements copied" in out, f"all databases: {code} {out} {err}")
    server = Server(repaired, *databases)
    for db in (b"0", b"16384", b"65534"):
        server.call(b"SELECT", db)
        expect(server.call(b"GET", b"key") == b"of " + db, f"database {db} after the repair")
    server.stop()


def what_cannot_be_said_ends_nothing(scratch):
    store, repaired = scratch / "many", scratch / "unsaid"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([CHECK, store], stdout=subprocess.DEVNULL, stderr=full, timeout=300)
        expect(done.returncode == 0, f"progress that is lost: {done.returncode}")
        done = subprocess.run([CHECK, "--quiet", store], stdout=full, stderr=subprocess.PIPE,
                              timeout=300)
        expect(done.returncode == 2 and done.stderr == b"cannot write: No space left on device\n",
               f"findings that are lost: {done}")
        done = subprocess.run([CHECK, "--repair", repaired, store], stdout=full, stderr=full,
                              timeout=300)
        expect(done.returncode == 2, f"a repair that can say nothing: {done.returncode}")
        done = subprocess.run([CHECK, scratch / "missing"], stdout=full, stderr=full, timeout=300)
        expect(done.returncode == 2, f"an error that is lost: {done.returncode}")
    code, out, err = check("--quiet", repaired)
    expect(code == 0 and "; 0 damaged" in out, f"what it has copied: {code} {out} {err}")


def help_is_the_usage():
    code, out, err = check("--help")
    expect(code == 0 and out.startswith("usage: respcask-check") and err == "", f"--help: {code}")


directory = tempfile.mkdtemp(prefix="respcask-check-")
try:
    main(pathlib.Path(directory))
    every_database_is_repaired(pathlib.Path(directory))
    what_cannot_be_said_ends_nothing(pathlib.Path(directory))
    help_is_the_usage()
finally:
    shutil.rmtree(directory, ignore_errors=True)
