#!/usr/bin/env python3
"""A server under mixed load for a long time. usage: soak.py SERVER MINUTES SEED

The keys "k..." live until they are deleted, and each reply about them must be the model's. The keys
"c..." have an expiry and may be evicted (volatile-lru): they are as they were written, or gone. After
a kill -9 with requests under way, and where maxdisk refuses one, what they were about is taken over
from the server. What there is at all is bounded, so memory, descriptors and files must be too.
"""

import os
import pathlib
import random
import shutil
import signal
import socket
import sys
import tempfile
import time

import script

KEYS = 200  # of each type
ELEMENTS = 100  # names of elements
BATCH = 64
CONNECTIONS = 8
MAX_MEMORY = 10 << 20
MAX_DISK = 64 << 20
BOUND_ANON = 128 << 20
BOUND_FILES = 300
BOUND_DISK = 2 * MAX_DISK


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def send(self, commands):
        parts = []
        for args in commands:
            parts.append(b"*%d\r\n" % len(args))
            parts += [b"$%d\r\n%s\r\n" % (len(a), a) for a in args]
        self.socket.sendall(b"".join(parts))

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else line[:-2]

    def call(self, *args):
        self.send([args])
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        self.port = script.free_port()
        self.start()

    def start(self):
        options = {"bind": "127.0.0.1", "port": self.port, "dir": self.directory,
                   "maxmemory": MAX_MEMORY, "maxdisk": MAX_DISK,
                   "maxmemory-policy": "volatile-lru", "segment-size": 4 << 20, "shards": 4,
                   "logfile": self.directory + ".log"}
        self.process = script.start([self.binary] + [w for k, v in options.items()
                                                     for w in ("--" + k, str(v))])
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                connection = Connection(self.port)
                if connection.call(b"PING") == b"+PONG":
                    return connection.close()
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit("the server does not start; see " + self.directory + ".log")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def usage(self):
        """Anonymous memory, descriptors and bytes of files."""
        proc = pathlib.Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        disk = 0
        for path in pathlib.Path(self.directory).rglob("*"):
            try:
                disk += path.stat().st_blocks * 512
            except FileNotFoundError:
                pass  # merged away
        return int(status["RssAnon"].split()[0]) << 10, len(os.listdir(proc / "fd")), disk


class Model:
    """What each key is: bytes, dict (hash or sorted set), set or list."""

    def __init__(self, rng):
        self.rng = rng
        self.kept = {}
        self.cached = {}  # key -> values that it may have had

    def value(self):
        return b"%d." % self.rng.getrandbits(40) + b"v" * self.rng.choice((1, 20, 100, 1000))

    def command(self):
        """A command on a key, and how to tell whether its reply is right."""
        rng = self.rng
        kind = rng.choice(("string", "hash", "set", "zset", "list", "cache", "cache"))
        name = b"%d" % int(rng.paretovariate(0.5) % KEYS)
        if kind == "cache":
            return self.cache_command(b"c" + b"%d" % rng.randrange(1000000))
        key = b"k" + kind.encode() + name
        if rng.random() < 0.01:
            return (b"DEL", key), int(self.kept.pop(key, None) is not None)
        return getattr(self, kind + "_command")(key, b"e%d" % rng.randrange(ELEMENTS))

    def cache_command(self, key):
        if self.rng.random() < 0.5:
            value = self.value()
            self.cached[key] = value
            return (b"SET", key, value, b"EX", b"%d" % self.rng.choice((1, 60, 3600, 3600))), b"+OK"
        return (b"GET", key), (None, self.cached.get(key))

    def string_command(self, key, _):
        what = self.rng.randrange(4)
        if what == 0:
            self.kept[key] = self.value()
            return (b"SET", key, self.kept[key]), b"+OK"
        if what == 1 and len(self.kept.get(key, b"")) < 8000:
            piece = self.value()
            self.kept[key] = self.kept.get(key, b"") + piece
            return (b"APPEND", key, piece), len(self.kept[key])
        return (b"GET", key), self.kept.get(key)

    def hash_command(self, key, field):
        fields = self.kept.setdefault(key, {})
        what = self.rng.randrange(3)
        if what == 0:
            new, fields[field] = int(field not in fields), self.value()
            return (b"HSET", key, field, fields[field]), new
        if what == 1:
            return self.taken(key, fields, field, b"HDEL")
        return (b"HGET", key, field), self.peek(key, field)

    def zset_command(self, key, member):
        scores = self.kept.setdefault(key, {})
        what = self.rng.randrange(3)
        if what == 0:
            new, scores[member] = int(member not in scores), b"%d" % self.rng.randrange(1000)
            return (b"ZADD", key, scores[member], member), new
        if what == 1:
            return self.taken(key, scores, member, b"ZREM")
        return (b"ZSCORE", key, member), self.peek(key, member)

    def peek(self, key, element):
        """The value of an element; a key that was made for the look-up goes again."""
        value = self.kept[key].get(element)
        self.drop_if_empty(key)
        return value

    def taken(self, key, elements, element, command):
        had = int(elements.pop(element, None) is not None)
        self.drop_if_empty(key)
        return (command, key, element), had

    def drop_if_empty(self, key):
        if not self.kept[key]:
            del self.kept[key]

    def set_command(self, key, member):
        members = self.kept.setdefault(key, set())
        what = self.rng.randrange(3)
        had = int(member in members)
        if what == 0:
            members.add(member)
            return (b"SADD", key, member), 1 - had
        if what == 1:
            members.discard(member)
        self.drop_if_empty(key)
        return (b"SREM" if what == 1 else b"SISMEMBER", key, member), had

    def list_command(self, key, _):
        items = self.kept.setdefault(key, [])
        what = self.rng.randrange(3)
        if what == 0 and len(items) < 300:
            items.append(self.value())
            return (b"RPUSH", key, items[-1]), len(items)
        if what == 1:
            item = items.pop(0) if items else None
            self.drop_if_empty(key)
            return (b"LPOP", key), item
        length = len(items)
        self.drop_if_empty(key)
        return (b"LLEN", key), length


def read_kept(connection, key):
    """A key as the model would have it."""
    if key.startswith(b"kstring"):
        return connection.call(b"GET", key)
    if key.startswith((b"khash", b"kzset")):
        is_hash = key.startswith(b"khash")
        flat = connection.call(b"HGETALL", key) if is_hash else connection.call(
            b"ZRANGE", key, b"0", b"-1", b"WITHSCORES")
        return dict(zip(flat[::2], flat[1::2])) or None
    if key.startswith(b"kset"):
        return set(connection.call(b"SMEMBERS", key)) or None
    return connection.call(b"LRANGE", key, b"0", b"-1") or None


def fail(seed, *what):
    sys.exit("MISMATCH, seed %d: %s" % (seed, " ".join(repr(w)[:300] for w in what)))


class Soak:
    def __init__(self, binary, seed, directory):
        self.seed, self.rng = seed, random.Random(seed)
        self.model = Model(self.rng)
        self.server = Server(binary, directory)
        self.connections = []
        self.commands = self.kills = self.evicted = self.refused = 0

    def connect(self):
        for connection in self.connections:
            connection.close()
        self.connections = [Connection(self.server.port) for _ in range(CONNECTIONS)]

    def batch(self):
        connection = self.rng.choice(self.connections)
        asked = [self.model.command() for _ in range(BATCH)]
        connection.send([command for command, _ in asked])
        refused = set()
        for command, right in asked:
            reply = connection.reply()
            if isinstance(reply, bytes) and reply.startswith(b"-OOM"):
                self.refused += 1
                refused.add(command[1])
            if command[1] in refused:
                continue  # the model is ahead
            if reply != right and not (isinstance(right, tuple) and reply in right):
                fail(self.seed, command, reply, right)
        self.commands += BATCH
        self.take_over(refused)

    def verify(self):
        connection = self.connections[0]
        for key, value in self.model.kept.items():
            found = read_kept(connection, key)
            if found != value:
                fail(self.seed, key, found, value)

    def take_over(self, keys):
        """Makes the model say of these keys what the server says."""
        for key in keys:
            found = read_kept(self.connections[0], key) if key.startswith(b"k") else None
            self.model.kept.pop(key, None)
            if key.startswith(b"c"):
                self.model.cached[key] = self.connections[0].call(b"GET", key)
            elif found is not None:
                self.model.kept[key] = found

    def take_evicted(self):
        """Adds up what INFO counts from a start on."""
        stats = self.connections[0].call(b"INFO", b"stats").decode()
        self.connections[0].call(b"CONFIG", b"RESETSTAT")
        self.evicted += int(stats.split("evicted_keys:")[1].split()[0])

    def kill(self, under_way):
        """Kills the server; with requests under way, takes over what has become of their keys."""
        touched = set()
        self.take_evicted()
        if under_way:
            asked = [self.model.command()[0] for _ in range(BATCH)]
            touched = {command[1] for command in asked}
            self.connections[0].send(asked)
            time.sleep(self.rng.random() / 1000)
        self.server.kill()
        self.server.start()
        self.connect()
        self.kills += 1
        self.take_over(touched)
        self.verify()

    def run(self, minutes):
        self.connect()
        for minute in range(minutes):
            end = time.monotonic() + 60
            next_event = time.monotonic() + 5
            while time.monotonic() < end:
                self.batch()
                if time.monotonic() < next_event:
                    continue
                next_event = time.monotonic() + 5
                event = self.rng.randrange(4)
                if event == 0:
                    self.kill(self.rng.random() < 0.5)
                elif event == 1:
                    self.connect()
                elif event == 2:
                    self.connections[0].call(b"BGREWRITEAOF")
                else:
                    self.verify()
            anon, files, disk = self.server.usage()
            self.take_evicted()
            keys = self.connections[0].call(b"DBSIZE")
            print(f"minute {minute + 1}: {self.commands} commands, {self.kills} kills, "
                  f"{self.evicted} evicted, {self.refused} refused, {keys} keys, {anon >> 20} MiB memory, "
                  f"{files} descriptors, {disk >> 20} MiB disk", flush=True)
            if anon > BOUND_ANON or files > BOUND_FILES or disk > BOUND_DISK:
                fail(self.seed, "out of bounds")
        self.verify()


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)
    pathlib.Path(directory + ".log").unlink(missing_ok=True)


def main():
    binary, minutes, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    directory = tempfile.mkdtemp(prefix="respcask-soak-")
    print(f"seed {seed}, data in {directory}")
    try:
        soak = Soak(binary, seed, directory)
        try:
            soak.run(minutes)
        finally:
            soak.server.kill()
    except script.Ended:
        remove(directory)
        raise
    remove(directory)


if __name__ == "__main__":
    main()
