"""What the benchmarks of scripts/ share: a server of their own, a pipelined load, a run of
redis-benchmark, the machine's line."""

import contextlib
import csv
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import script

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHUNK_COMMANDS = 2000


class Server:
    """A server of this run: its own port, directory and process.

    `directory`: where its data is, kept at the end; without it one that goes with the server.
    `before_start`: called in the new process before the server's program."""

    def __init__(self, name, binary, options, directory=None, before_start=None):
        self.name = name
        self.keeps = directory is not None
        self.directory = directory or tempfile.mkdtemp(prefix=f"respcask-bench-{name}-")
        self.port = script.free_port()
        self.log = open(os.path.join(self.directory, "log"), "wb")
        if name == "kvrocks":
            config = os.path.join(self.directory, "kvrocks.conf")
            pathlib.Path(config).write_text(
                f"bind 127.0.0.1\nport {self.port}\ndir {self.directory}\n"
            )
            command = [binary, "-c", config]
        else:
            command = [binary, "--port", str(self.port), "--bind", "127.0.0.1"]
            command += ["--dir", self.directory] + options
        self.fsync = "everysec"
        started = time.time()
        self.process = script.start(command, stdout=self.log, stderr=self.log,
                                    preexec_fn=before_start)
        try:
            self.wait_until_ready()
        except script.Ended:
            self.stop()
            raise
        self.start_seconds = time.time() - started

    def wait_until_ready(self):
        deadline = time.time() + 600
        while time.time() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
                    s.sendall(encode("PING"))
                    if s.recv(100).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.002)
        log = pathlib.Path(self.directory, "log").read_text(errors="replace")
        self.stop()
        sys.exit(f"{self.name} does not start:\n{log[-2000:]}")

    def call(self, *words):
        """Sends one command; returns what came within a moment of it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(encode(*words))
            received = s.recv(1 << 20)
            s.settimeout(0.2)
            try:
                while True:
                    more = s.recv(1 << 20)
                    if not more:
                        break
                    received += more
            except TimeoutError:
                pass
            return received

    def set_fsync(self, mode):
        if mode != self.fsync:
            self.call("CONFIG", "SET", "appendfsync", mode)
            self.fsync = mode

    def cpu_seconds(self):
        """The processor time of the server and of its children, those that have ended and those that
        run: Redis rewrites its append-only file in a child, respcask merges in a thread, and either
        is a part of what a write costs."""
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
                continue
            if self.process.pid in (int(stat.parent.name), int(fields[1])):
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def anonymous_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no RssAnon")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        if not self.keeps:
            shutil.rmtree(self.directory, ignore_errors=True)


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def send_all(server, count, chunks):
    """Sends the chunks, which hold `count` commands with a reply of one line each, through one
    pipelined connection; returns the seconds it took."""
    started = time.time()
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        failure = []

        def take_replies():
            lines = 0
            while lines < count:
                try:
                    data = s.recv(1 << 20)
                except OSError:
                    data = b""
                if not data or b"-" in data:
                    failure.append(data[:200])
                    with contextlib.suppress(OSError):  # the end has closed it
                        s.shutdown(socket.SHUT_RDWR)
                    return
                lines += data.count(b"\n")

        reader = threading.Thread(target=take_replies, daemon=True)
        reader.start()
        try:
            for chunk in chunks:
                s.sendall(chunk)
        except OSError:
            pass
        reader.join()
        if failure:
            raise RuntimeError(f"{server.name} answered {failure[0]!r} while loading")
    return time.time() - started


def groups(count):
    """The numbers below `count` in ranges of what is sent at once."""
    for first in range(0, count, CHUNK_COMMANDS):
        yield range(first, min(first + CHUNK_COMMANDS, count))


def load(server, count, words):
    """Sends a command for each number below `count`: its words, of which one stands for the number
    as %012d or the like. Returns the seconds it took."""
    command = b"*%d\r\n" % len(words)
    for word in words:
        size = len(word % 0 if b"%" in word else word)
        command += b"$%d\r\n%s\r\n" % (size, word)
    chunk = command * CHUNK_COMMANDS
    full = lambda numbers: chunk if len(numbers) == CHUNK_COMMANDS else command * len(numbers)
    return send_all(server, count, (full(n) % tuple(n) for n in groups(count)))


def run_client(server, requests, command):
    """Runs a client to its end: what it printed, and the server's CPU in µs per request."""
    before = server.cpu_seconds()
    output = subprocess.run(
        [*script.END_WITH_US, *command], check=True, capture_output=True, text=True).stdout
    return output, (server.cpu_seconds() - before) / requests * 1e6


def load_client(server, requests, arguments):
    """One run of the load client: as benchmark(), and the 99.9th percentile in ms behind that."""
    output, cpu = run_client(
        server, requests, [str(ROOT / "build/tests/load-client"), "--port", str(server.port),
                           "--requests", str(requests)] + arguments)
    words = output.split()
    told = {name: float(value) for name, value in zip(words[::2], words[1::2])}
    return (told["rps"], told["p50_ms"], told["p99_ms"], cpu, told["p999_ms"])


def benchmark(server, requests, arguments):
    """One run of redis-benchmark: requests/s, p50 and p99 in ms, server CPU in µs per operation,
    and None, as it knows no 99.9th percentile."""
    output, cpu = run_client(
        server, requests,
        ["redis-benchmark", "-p", str(server.port), "-n", str(requests), "--csv"] + arguments)
    # WARNING lines may stand in front of the table.
    row = next(csv.DictReader(line for line in output.splitlines() if line.startswith('"')))
    return (float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]), cpu, None)


def text(size):
    """A value of `size` bytes that nothing can compress, without a % in it."""
    return os.urandom(size // 2).hex().encode()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def describe_machine():
    load1 = os.getloadavg()[0]
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores shared with the clients, "
          f"{processor()}")
    print(f"load average at the start: {load1:.1f}")
    if load1 > 0.7:
        print("The machine is busy with other work: the ratios and the CPU times say more than the rest.")
