#!/usr/bin/env python3
"""usage: import_test.py RESPCASK-SERVER RESPCASK-IMPORT: snapshots that redis-server writes are brought
into a respcask-server by respcask-import and redis-cli, and must be there what they were."""

import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

from running_server import RunningServer

SERVER, IMPORT = sys.argv[1:]


class Server(RunningServer):
    def __init__(self, words, directory):
        directory.mkdir()
        self.directory = directory
        super().__init__([*words, "--dir", str(directory), "--enable-debug-command", "yes"])


def fill(redis):
    """Something of every type and encoding, some larger than a piece of the import."""
    call = redis.call
    call("SET", "number", -123456)
    call("SET", "long", b"x" * 3_000_000)
    call("SET", b"any\x00byte\xff", bytes(range(256)) * 4)
    call("SET", "", "the empty name")
    for name, count, size in (("small", 5, 3), ("large", 3000, 30), ("huge", 230_000, 40)):
        for begin in range(0, count, 1000):
            numbers = range(begin, min(begin + 1000, count))
            element = [f"{i}".zfill(size) for i in numbers]
            redis.send("RPUSH", f"list:{name}", *element)
            redis.send("SADD", f"set:{name}", *element)
            redis.send("HSET", f"hash:{name}", *(w for e in element for w in (e, e * 2)))
            redis.send("ZADD", f"zset:{name}", *(w for e in element for w in (int(e) / 7, e)))
            for _ in range(4):
                redis.read()
    call("RPUSH", "list:plain", b"y" * 20_000, b"z" * 9_000, "short")
    call("SADD", "set:numbers", *range(-100, 300))
    call("ZADD", "zset:extremes", "inf", "a", "-inf", "b", "1e300", "c", "-0.1", "d")
    call("PFADD", "hyperloglog", *range(1000))
    call("SET", "for a while", "v", "PXAT", 4102444800123)
    call("EXPIREAT", "hash:huge", 4102444800)
    call("SELECT", 3)
    call("SET", "elsewhere", "v")
    call("SELECT", 15)
    call("SADD", "far", "a")
    call("SELECT", 0)


def bring(snapshot, target, expected_status=0, options=()):
    """Brings what a snapshot holds into a server; what the import says."""
    with subprocess.Popen([IMPORT, *options, str(snapshot)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as made:
        pipe = subprocess.run(["redis-cli", "-p", str(target.port), "--pipe"], stdin=made.stdout,
                              capture_output=True, text=True, timeout=120)
        said = made.stderr.read().decode()
    assert made.returncode == expected_status, (made.returncode, said)
    assert "errors: 0," in pipe.stdout, pipe.stdout + pipe.stderr
    return said


def snapshot_of(redis):
    redis.call("SAVE")
    return redis.directory / "dump.rdb"


def check_same(root):
    redis = Server(["redis-server", "--save", "", "--rdbcompression", "no"], root / "redis")
    ours = Server([SERVER], root / "ours")
    fill(redis)
    ours.call("SET", "number", "is replaced")
    said = bring(snapshot_of(redis), ours)
    assert said == "23 keys\n", said
    assert ours.call("DEBUG", "DIGEST") == redis.call("DEBUG", "DIGEST")
    for key in ("for a while", "hash:huge", "number"):
        assert ours.call("PEXPIRETIME", key) == redis.call("PEXPIRETIME", key), key
    for key in redis.call("KEYS", "*"):
        assert ours.call("OBJECT", "ENCODING", key) == redis.call("OBJECT", "ENCODING", key), key

    # Once more, over what is there.
    bring(snapshot_of(redis), ours)
    assert ours.call("DEBUG", "DIGEST") == redis.call("DEBUG", "DIGEST")

    # From a server that runs, through pipes.
    ours.call("FLUSHALL")
    subprocess.run(f"redis-cli -p {redis.port} --rdb - 2>/dev/null | {IMPORT} - 2>/dev/null | "
                   f"redis-cli -p {ours.port} --pipe >/dev/null", shell=True, check=True, timeout=120)
    assert ours.call("DEBUG", "DIGEST") == redis.call("DEBUG", "DIGEST")

    # And key by key, by Redis itself.
    ours.call("DEL", "list:large")
    redis.call("MIGRATE", "127.0.0.1", ours.port, "list:large", 0, 5000, "COPY")
    assert ours.call("DEBUG", "DIGEST") == redis.call("DEBUG", "DIGEST")
    redis.end()
    ours.end()


def check_left_out(root):
    redis = Server(["redis-server", "--save", "", "--maxmemory-policy", "allkeys-lfu"],
                   root / "redis-lfu")
    ours = Server([SERVER, "--maxmemory-policy", "allkeys-lfu"], root / "ours-lfu")
    redis.call("SET", "before", "v")
    for i in range(500):
        redis.call("XADD", "stream", "*", "field", "value" * i)
    redis.call("XGROUP", "CREATE", "stream", "group", "0")
    redis.call("XREADGROUP", "GROUP", "group", "reader", "COUNT", 10, "STREAMS", "stream", ">")
    redis.call("XADD", "another", "1-1", "a", "b")
    redis.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() end)")
    for i in range(100):
        redis.call("GET", "before")
        redis.call("SET", f"key:{i}", i)
    said = bring(snapshot_of(redis), ours, expected_status=1)
    assert said == ("101 keys\nleft out: 2 streams\nleft out: 1 libraries of functions\n"), said
    assert ours.call("DBSIZE") == b"101"
    assert ours.call("OBJECT", "FREQ", "before") == redis.call("OBJECT", "FREQ", "before")
    redis.end()
    ours.end()


def string(text):
    """Of fewer than 64 bytes, as it stands in a snapshot."""
    return bytes([len(text)]) + text


def snapshot(*items):
    """One without a checksum."""
    return b"REDIS0009\xfe\x00" + b"".join(items) + b"\xff" + bytes(8)


def key(kind, name, body):
    return bytes([kind]) + string(name) + body


EMPTY_ZIPLIST = string(bytes.fromhex("0b0000000a0000000000ff"))
EMPTY_LISTPACK = string(bytes.fromhex("070000000000ff"))


def check_empty_collections(root):
    """Redis does not load them, so they are no keys."""
    redis = Server(["redis-server", "--save", ""], root / "redis-empty")
    ours = Server([SERVER], root / "ours-empty")
    made = redis.directory / "dump.rdb"
    made.write_bytes(snapshot(
        *(key(kind, b"z%d" % kind, EMPTY_ZIPLIST) for kind in (10, 12, 13)),
        *(key(kind, b"l%d" % kind, EMPTY_LISTPACK) for kind in (16, 17)),
        key(14, b"q", b"\x01" + EMPTY_ZIPLIST), key(18, b"q2", b"\x01\x02" + EMPTY_LISTPACK),
        key(1, b"none", b"\x00"), key(0, b"a", string(b"b"))))
    redis.call("DEBUG", "RELOAD", "NOSAVE")
    assert redis.call("KEYS", "*") == [b"a"]
    assert bring(made, ours) == "1 keys\n"
    assert ours.call("KEYS", "*") == [b"a"]
    # Redis 7.2 has sets that are listpacks; the file is of no version that Redis 7.0 reads.
    made.write_bytes(snapshot(key(20, b"s", EMPTY_LISTPACK)))
    assert bring(made, ours) == "0 keys\n"
    # Pieces of a large list, of which some have no elements.
    nodes = 70_000
    made.write_bytes(snapshot(key(14, b"q", b"\x80" + (nodes + 2).to_bytes(4, "big") +
                                  EMPTY_ZIPLIST * nodes +
                                  string(bytes.fromhex("0e0000000a00000001000001" "78" "ff")) +
                                  EMPTY_ZIPLIST)))
    redis.call("DEBUG", "RELOAD", "NOSAVE")
    ours.call("RPUSH", "q", "is replaced")
    assert bring(made, ours) == "1 keys\n"
    assert redis.call("LRANGE", "q", 0, -1) == ours.call("LRANGE", "q", 0, -1) == [b"x"]
    for server in (redis, ours):
        server.end()


def check_damaged_values(root):
    """One that the file's checksum says nothing of is named, and not written."""
    of_one = string(bytes.fromhex("0c0000000100836f6e6504ff"))
    not_lzf = b"\xc3\x02\x14" + b"\xff\xff"
    for item in (key(16, b"h\n", of_one), key(0, b"h\n", not_lzf),
                 key(1, b"h\n", b"\x01" + not_lzf), key(14, b"h\n", b"\x01" + string(b"blob")),
                 key(20, b"h\n", string(b"blob"))):
        made = root / "of-one.rdb"
        made.write_bytes(snapshot(key(0, b"a", string(b"b")), item))
        done = subprocess.run([IMPORT, str(made)], capture_output=True, timeout=60)
        assert done.returncode == 2, (item, done)
        assert b'the value of key "h\\x0a" is not what it should be' in done.stderr, done
        assert done.stdout.count(b"RESTORE") == 1, done


def check_modules(root):
    """What modules keep, as keys' values and beside the keys, is left out and counted."""
    ours = Server([SERVER], root / "ours-modules")
    made = root / "modules.rdb"
    module = b"\x81" + bytes(8)
    beside = b"\xf7" + module + b"\x02\x01" + b"\x05" + string(b"kept") + b"\x00"
    value = key(7, b"m", module + b"\x05" + string(b"v") + b"\x00")
    a = key(0, b"a", string(b"b"))
    made.write_bytes(snapshot(beside, a, beside))
    said = bring(made, ours, 1)
    assert said == "1 keys\nleft out: 2 records of modules beside the keys\n", said
    made.write_bytes(snapshot(value, a, beside))
    said = bring(made, ours, 1)
    assert said == ("1 keys\nleft out: 1 values of modules\n"
                    "left out: 1 records of modules beside the keys\n"), said
    ours.end()


def check_idle_time(root):
    """One that no command takes is as good as the longest that can be told."""
    ours = Server([SERVER, "--maxmemory-policy", "allkeys-lru"], root / "ours-idle")
    made = root / "idle.rdb"
    for seconds in (2**63 - 1, 2**63, 2**64 - 1):
        made.write_bytes(snapshot(b"\xf8\x81" + seconds.to_bytes(8, "big") +
                                  key(0, b"a", string(b"%d" % seconds))))
        assert bring(made, ours) == "1 keys\n"
        idle = int(ours.call("OBJECT", "IDLETIME", "a"))
        assert idle > 1_000_000, idle
        assert ours.call("GET", "a") == b"%d" % seconds
    ours.end()


def check_memory(root):
    """At most twice the largest string is held, whatever holds that."""
    size = 128 << 20
    made = root / "long.rdb"
    length = b"\x80" + size.to_bytes(4, "big")
    for head in (b"\x00" + string(b"k"), b"\x01" + string(b"k") + b"\x01",
                 b"\x04" + string(b"k") + b"\x01" + string(b"field")):
        with open(made, "wb") as file:
            file.write(b"REDIS0009\xfe\x00" + head + length)
            for _ in range(128):
                file.write(b"x" * (1 << 20))
            file.write(b"\xff" + bytes(8))
        done = subprocess.Popen([IMPORT, str(made)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(done.pid, 0)
        done.returncode = os.waitstatus_to_exitcode(status)
        assert done.returncode == 0
        assert used.ru_maxrss < 2.2 * (size >> 10), (head, used.ru_maxrss)
    made.unlink()


def check_minus_zero(root):
    """Scores keep the sign of zero, in small sets that have it as text and in large ones."""
    redis = Server(["redis-server", "--save", ""], root / "redis-zero")
    ours = Server([SERVER], root / "ours-zero")
    made = redis.directory / "dump.rdb"
    text = string(bytes.fromhex("12000000" "0d000000" "0200" "00016d" "03022d30" "ff"))
    scores = (-0.0, 0.0, 1.5, 7.0)
    count = 70_000
    members = b"".join(string(b"member-%022d" % i) + struct.pack("<d", scores[i % 4])
                       for i in range(count))
    made.write_bytes(snapshot(key(12, b"small", text),
                              key(5, b"few", b"\x01" + string(b"m") + struct.pack("<d", -0.0)),
                              b"\xfc" + (4102444800123).to_bytes(8, "little"),
                              key(5, b"large", b"\x80" + count.to_bytes(4, "big") + members)))
    redis.call("DEBUG", "RELOAD", "NOSAVE")
    ours.call("SET", "large", "is replaced")
    assert bring(made, ours) == "3 keys\n"
    for server in (redis, ours):
        assert server.call("ZSCORE", "small", "m") == b"-0"
        assert server.call("ZSCORE", "few", "m") == b"0"
        assert server.call("ZSCAN", "small", 0) == [b"0", [b"m", b"-0"]]
        assert server.call("ZCOUNT", "large", 0, 0) == b"%d" % (count // 2)
        assert server.call("PEXPIRETIME", "large") == b"4102444800123"
    assert ours.call("DEBUG", "DIGEST") == redis.call("DEBUG", "DIGEST")
    for server in (redis, ours):
        server.end()


def check_cut_in_a_collection(root):
    """What has come of a key that ends too early goes again, and until then it has its expiry."""
    redis = Server(["redis-server", "--save", ""], root / "redis-cut")
    ours = Server([SERVER], root / "ours-cut")
    redis.call("SELECT", 2)
    redis.call("SADD", "large\n", *(f"{i}".zfill(60) for i in range(100_000)))
    redis.call("PEXPIREAT", "large\n", 4102444800123)
    whole = snapshot_of(redis).read_bytes()
    ours.call("SET", "large\n", "of another database")
    ours.call("SELECT", 2)
    with subprocess.Popen([IMPORT, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as made, \
            subprocess.Popen(["redis-cli", "-p", str(ours.port), "--pipe"], stdin=made.stdout,
                             stdout=subprocess.PIPE) as pipe:
        made.stdin.write(whole[:-1_000_000])
        made.stdin.flush()
        for _ in range(600):
            expires = ours.call("PEXPIRETIME", "large\n")
            if expires == b"4102444800123":
                break
            time.sleep(0.05)
        made.stdin.close()
        said = made.stderr.read().decode()
        assert made.wait(60) == 2 and pipe.wait(60) == 0
        assert b"errors: 0," in pipe.stdout.read()
    assert expires == b"4102444800123", expires
    assert "ends too early" in said, said
    assert 'key "large\\x0a" has not come as a whole and is removed\n' in said, said
    assert ours.call("EXISTS", "large\n") == b"0"
    ours.call("SELECT", 0)
    assert ours.call("GET", "large\n") == b"of another database"

    # A value that is damaged further on is no whole either; one that had come before stays.
    damaged = root / "damaged-further-on.rdb"
    element = string(b"e" * 50)
    damaged.write_bytes(snapshot(
        key(0, b"before", string(b"v")),
        key(1, b"l", b"\x80" + (30_001).to_bytes(4, "big") + element * 30_000 + b"\xc3\x01\x14x")))
    assert 'key "l" has not come as a whole and is removed\n' in bring(damaged, ours, 2)
    assert ours.call("EXISTS", "l", "before") == b"1"
    # Nothing can be said to a server that takes no commands.
    whole_file = root / "whole.rdb"
    whole_file.write_bytes(whole)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([IMPORT, str(whole_file)], stdout=full, stderr=subprocess.PIPE,
                              timeout=60)
    assert done.returncode == 2 and b'key "large\\x0a" may be there in part\n' in done.stderr, done
    for server in (redis, ours):
        server.end()


def check_databases(root):
    redis = Server(["redis-server", "--save", "", "--databases", "32"], root / "redis-many")
    redis.call("SET", "k", "of 0")
    redis.call("SELECT", 20)
    redis.call("SET", "k", "of 20")
    few = Server([SERVER], root / "ours-few")
    said = bring(snapshot_of(redis), few, expected_status=1)
    assert said.startswith("1 keys\nleft out: 1 keys of databases"), said
    assert few.call("GET", "k") == b"of 0"
    many = Server([SERVER, "--databases", "32"], root / "ours-many")
    assert bring(snapshot_of(redis), many, options=["--databases", "32"]) == "2 keys\n"
    assert many.call("GET", "k") == b"of 0"
    many.call("SELECT", 20)
    assert many.call("GET", "k") == b"of 20"
    for server in (redis, few, many):
        server.end()


def check_refused(root):
    whole = (root / "redis-lfu/dump.rdb").read_bytes()
    broken = root / "broken.rdb"
    for bytes_, reason in ((whole[:-1], "ends too early"),
                           (whole[:len(whole) // 2], "ends too early"),
                           (whole[:-1] + bytes([whole[-1] ^ 1]), "checksum"),
                           (b"REDIS0099" + whole[9:], "version 99"),
                           (b"not a snapshot", "not a snapshot"),
                           (b"REDIS0010\xf0\x01k", "unknown type"), (b"", "ends too early")):
        broken.write_bytes(bytes_)
        done = subprocess.run([IMPORT, str(broken)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 2 and reason in done.stderr, (reason, done)
    missing = subprocess.run([IMPORT, str(root / "missing")], capture_output=True, text=True)
    assert missing.returncode == 2 and "No such file" in missing.stderr


def check_lost_output(root):
    """What cannot be said makes no other outcome; what cannot be brought, or shown, does."""
    some = root / "redis-lfu/dump.rdb"
    empty = root / "empty.rdb"
    empty.write_bytes(b"REDIS0011\xff" + bytes(8))
    with open("/dev/full", "wb") as full:
        for arguments, streams, status in (
                ([empty], {"stderr": full}, 0), ([some], {"stderr": full}, 1),
                ([root / "missing"], {"stderr": full}, 2), ([], {"stderr": full}, 2),
                ([empty], {"stdout": full}, 0), ([some], {"stdout": full}, 2),
                ([some], {"stdout": full, "stderr": full}, 2), (["--help"], {"stdout": full}, 2)):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            done = subprocess.run([IMPORT, *map(str, arguments)], **(quiet | streams), timeout=60)
            assert done.returncode == status, (arguments, streams, done.returncode)
        said = subprocess.run([IMPORT, str(some)], stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert said.stderr == b"cannot write: No space left on device\n", said
        said = subprocess.run([IMPORT, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert said.stderr == b"cannot write: No space left on device\n", said
    helped = subprocess.run([IMPORT, "--help"], capture_output=True, timeout=60)
    assert helped.returncode == 0 and helped.stdout.startswith(b"usage: respcask-import"), helped


with tempfile.TemporaryDirectory() as name:
    check_same(pathlib.Path(name))
    check_left_out(pathlib.Path(name))
    check_empty_collections(pathlib.Path(name))
    check_damaged_values(pathlib.Path(name))
    check_cut_in_a_collection(pathlib.Path(name))
    check_modules(pathlib.Path(name))
    check_idle_time(pathlib.Path(name))
    check_memory(pathlib.Path(name))
    check_minus_zero(pathlib.Path(name))
    check_databases(pathlib.Path(name))
    check_refused(pathlib.Path(name))
    check_lost_output(pathlib.Path(name))
print("imported")
