#!/usr/bin/env python3
"""README's table of commands is what the server has, and what README points to is there; scripts/start
leaves the data where a configuration file says, and a server that a script has started ends with it.

usage: readme_test.py [--write] SERVER-BINARY ROOT
--write puts the table of this server into README.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from running_server import RunningServer

BEGIN, END = "<!-- commands -->\n", "<!-- /commands -->\n"
GROUPS = {
    "generic": "keys",
    "string": "strings",
    "bitmap": "bitmaps",
    "sorted-set": "sorted sets",
    "transactions": "transactions",
    "pubsub": "pub/sub",
}


def command_groups(binary):
    """What COMMAND DOCS says: {group: [name, ...]}."""
    with tempfile.TemporaryDirectory() as directory:
        server = RunningServer([binary, "--dir", directory])
        docs = server.call("COMMAND", "DOCS")
        server.end()
    groups = {}
    for name, fields in zip(docs[::2], docs[1::2]):
        group = fields[fields.index(b"group") + 1].decode()
        groups.setdefault(GROUPS.get(group, group), []).append(name.decode().upper())
    return groups


def table(groups):
    order = ["strings", "bitmaps", "keys", "hashes", "lists", "sets", "sorted sets", "transactions",
             "pub/sub", "connection", "server"]
    rank = {name: number for number, name in enumerate(order)}
    lines = ["", "| | |", "|---|---|"]
    for group in sorted(groups, key=lambda name: (rank.get(name, len(order)), name)):
        names = " ".join(f"`{name}`" for name in sorted(groups[group]))
        lines.append(f"| {group} | {names} |")
    return "\n".join(lines) + "\n\n"


def missing_paths(text, root):
    """Paths in backticks or indented commands that README names and the tree lacks."""
    named = re.findall(r"\b((?:scripts|tests|engine|server|resp)/[\w./-]*\w)", text)
    # The binary is in the build directory.
    return sorted({path for path in named if not (root / path).exists()} - {"server/respcask-server"})


# What a configuration file says, and whether the data is then where scripts/start has it by default.
CONFIGURATIONS = {
    "port 7000": True,
    "# dir data": True,
    "unixsocket 'a dir b'": True,
    "Dir here": False,
    "include sub/*.conf": False,
    "include 'sub/one.conf'": False,
}


def faults_of_start(binary, root):
    """Tries the script in a tree of its own, whose server says what it was given."""
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        for folder in ("scripts", "build/server", "sub"):
            (tree / folder).mkdir(parents=True)
        start = shutil.copy(root / "scripts/start", tree / "scripts/start")
        server = os.path.abspath(binary)
        says_or_asks = f'case "$*" in *--include*) exec "{server}" "$@";; esac; echo "$*"'
        for name, text in (("scripts/build", ""), ("build/server/respcask-server", says_or_asks)):
            (tree / name).write_text(f"#!/bin/sh\n{text}\n")
            (tree / name).chmod(0o755)
        (tree / "sub/one.conf").write_text('dir "./some where"\n')
        for text, by_default in CONFIGURATIONS.items():
            (tree / "a.conf").write_text(text + "\n")
            given = subprocess.run([start, "a.conf", "--port", "1"], cwd=tree, text=True, timeout=60,
                                   capture_output=True).stdout.strip()
            wanted = ["a.conf", *(["--dir", str(tree.resolve() / "data")] if by_default else []), "--port 1"]
            if given != " ".join(wanted):
                yield f"scripts/start with '{text}' starts the server with {given!r}"


STARTS_SERVER = """
import sys, tempfile
from running_server import RunningServer
with tempfile.TemporaryDirectory(dir=sys.argv[2]) as directory:
    server = RunningServer([sys.argv[1], "--dir", directory])
    print(server.process.pid, flush=True)
    input()
"""


def has_ended(pid):
    """Whether a process has, be it that nobody has asked how."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def faults_of_ends(binary):
    for number in (signal.SIGTERM, signal.SIGKILL):
        with tempfile.TemporaryDirectory() as directory:
            script = subprocess.Popen(
                [sys.executable, "-c", STARTS_SERVER, binary, directory], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)})
            with script:
                server = int(script.stdout.readline())
                script.send_signal(number)
            deadline = time.time() + 60
            while not has_ended(server) and time.time() < deadline:
                time.sleep(0.01)
            if not has_ended(server):
                yield f"a server outlives a script that ends by {number.name}"
            if number != signal.SIGKILL and (os.listdir(directory) or script.returncode != 128 + number):
                yield f"{number.name} does not end a script in order: {script.returncode}"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    binary, root = arguments[0], pathlib.Path(arguments[1])
    readme = root / "README.md"
    text = readme.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    wanted = table(command_groups(binary))
    if "--write" in sys.argv:
        readme.write_text(text[:begin] + wanted + text[end:])
        return 0
    faults = 0
    if text[begin:end] != wanted:
        faults += 1
        has = set(re.findall(r"`([^`]+)`", text[begin:end]))
        should = set(re.findall(r"`([^`]+)`", wanted))
        print(f"README's table of commands lacks {sorted(should - has)}, has too many "
              f"{sorted(has - should)}: tests/readme_test.py --write BINARY ROOT mends it")
    for path in missing_paths(text, root):
        faults += 1
        print(f"README names {path}, which is not there")
    for fault in [*faults_of_start(binary, root), *faults_of_ends(binary)]:
        faults += 1
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
