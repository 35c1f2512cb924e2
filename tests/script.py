"""What scripts and tests in Python begin with: nothing that they start outlives them, and they end in order.

From its import on, Ctrl-C, SIGTERM and SIGHUP kill what start() has started and end the script by an
exception, so that what `finally`, `with` and atexit are for is done. A signal that is ignored, as by
nohup, stays so.
"""

import argparse
import signal
import socket
import subprocess
import weakref

# Words before a program's own: it is killed when the thread that started it ends, by whatever.
END_WITH_US = ["setpriv", "--pdeathsig", "KILL"]

_started = weakref.WeakSet()


class Ended(SystemExit):
    """A signal has asked for the end: what there is proves nothing, and may go."""


def start(command, **options):
    """subprocess.Popen, of what ends with the script."""
    process = subprocess.Popen([*END_WITH_US, *command], **options)
    _started.add(process)
    return process


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _end(number, _frame):
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # once is enough
    for process in list(_started):
        process.kill()
    raise Ended(128 + number)


_SIGNALS = [each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(each) != signal.SIG_IGN]
for _each in _SIGNALS:
    signal.signal(_each, _end)


class Arguments(argparse.ArgumentParser):
    """Prints a script's own text for --help, and one line for what is wrong; exit status 2 then."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    def format_help(self):
        return self.text

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def positive(text):
    """The type of an argument that is a whole number, 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 on")
    return int(text)
