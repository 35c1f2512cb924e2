"""A server process for tests in Python, on a port of its own, and a connection to it."""

import atexit
import socket
import subprocess
import sys
import time

import script


class RunningServer:
    """Runs `words` with a port behind them, until it is ended or the test does, and waits until it
    answers. Its `socket` is connected; `replies` reads from it."""

    def __init__(self, words):
        self.port = script.free_port()
        self.process = script.start([*words, "--bind", "127.0.0.1", "--port", str(self.port)],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)
        for _ in range(600):
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
                break
            except OSError:
                time.sleep(0.05)
        else:
            sys.exit("the server does not answer")
        self.replies = self.socket.makefile("rb")

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def read(self):
        """A reply: bytes, None, or a list of them. An error ends the test."""
        line = self.replies.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            sys.exit(f"an error: {rest}")
        if kind == b"$":
            return None if rest == b"-1" else self.replies.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest

    def call(self, *words):
        self.send(*words)
        return self.read()

    def end(self):
        self.process.kill()
        self.process.wait()
