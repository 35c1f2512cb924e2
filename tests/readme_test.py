#!/usr/bin/env python3
"""README's table of commands is what the server has, and what README points to is there.

usage: readme_test.py [--write] SERVER-BINARY ROOT
--write puts the table of this server into README.
"""

import pathlib
import re
import sys
import tempfile

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
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
