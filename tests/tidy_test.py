#!/usr/bin/env python3
"""The rules of the house that a compiler does not know. usage: tidy_test.py ROOT

- resp/ and engine/ never include each other, server/ or uv.h; resp/ not even a library.
- libuv appears in server/net/ alone.
- Includes are written from the root.
- A header opens with a paragraph that says what it is, and has #pragma once; a precompiled one has
  not, since g++ warns of it in what it compiles by itself.
- No source file has more than 700 lines.
- A script in scripts/ prints the text at its head for --help, and refuses what it does not understand
  in one line, with exit status 2; but for scripts/start, whose arguments are the server's.
"""

import pathlib
import re
import subprocess
import sys

MAX_LINES = 700
ROOMS = ("resp", "engine", "server", "tests")
MAY_INCLUDE = {
    "resp": ("resp",),
    "engine": ("engine",),
    "server": ("resp", "engine", "server"),
    "tests": ("resp", "engine", "server", "tests"),
}
LIBRARIES = ("uv.h", "fmt/", "hiredis/", "doctest/", "doctest.h")
LIBRARIES_IN = {
    "resp": (),
    "engine": ("fmt/",),
    "server": ("fmt/",),
    "server/net": ("fmt/", "uv.h"),
    "tests": LIBRARIES,
}


def rules_for(path):
    if path.parts[:2] == ("server", "net"):
        return MAY_INCLUDE["server"], LIBRARIES_IN["server/net"]
    room = path.parts[0]
    return MAY_INCLUDE[room], LIBRARIES_IN[room]


def faults_of(path, text):
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield f"{len(lines)} lines: more than {MAX_LINES}; it wants to be two files"
    rooms, libraries = rules_for(path)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
        if not match:
            continue
        bracket, name = match.groups()
        if bracket == '"':
            if not name.startswith(tuple(room + "/" for room in ROOMS)):
                yield f"line {number}: {name}: includes are written from the root"
            elif not name.startswith(tuple(room + "/" for room in rooms)):
                yield f"line {number}: {path.parts[0]}/ must not include {name}"
        elif name.startswith(LIBRARIES) and not name.startswith(libraries):
            yield f"line {number}: {path.parent} must not include {name}"
    if path.suffix == ".h":
        if not lines or not lines[0].startswith("// ") or len(lines[0]) < 20:
            yield "a header opens with a paragraph that says what it is"
        if "#pragma once" not in lines and "precompiled" not in path.parts:
            yield "no #pragma once"


def faults_of_script(script):
    """What is wrong with how it takes --help and an argument that nobody knows."""
    asked, refused = (subprocess.run([script, argument], capture_output=True, text=True, timeout=60)
                      for argument in ("--help", "--no-such-option"))
    if asked.returncode != 0 or not asked.stdout.startswith(f"usage: scripts/{script.name}"):
        yield f"--help: status {asked.returncode}, {asked.stdout[:60]!r} {asked.stderr[:60]!r}"
    lines = refused.stderr.count("\n")
    if refused.returncode != 2 or lines != 1 or refused.stdout:
        yield f"--no-such-option: status {refused.returncode}, {lines} lines, {refused.stdout[:60]!r}"


def self_test():
    """Each rule finds what it is for."""
    head = "// A header that says what it is, for once.\n#pragma once\n"
    planted = [
        ("resp/a.cc", '#include "engine/store.h"\n'),
        ("engine/a.cc", '#include "server/log.h"\n'),
        ("resp/a.cc", "#include <fmt/format.h>\n"),
        ("server/a.cc", "#include <uv.h>\n"),
        ("engine/a.cc", '#include "store.h"\n'),
        ("engine/a.h", "#pragma once\n"),
        ("engine/a.h", head.replace("#pragma once\n", "")),
        ("engine/a.cc", "\n" * (MAX_LINES + 1)),
    ]
    for name, text in planted:
        assert list(faults_of(pathlib.PurePath(name), text)), f"{name}: {text[:40]!r} passed"
    clean = [
        ("server/net/a.cc", "#include <uv.h>\n"),
        ("engine/a.h", head),
        ("engine/precompiled/a.h", head.replace("#pragma once\n", "")),
    ]
    for name, text in clean:
        assert not list(faults_of(pathlib.PurePath(name), text)), name


def main():
    self_test()
    root = pathlib.Path(sys.argv[1])
    files = [p for room in ROOMS for p in sorted((root / room).rglob("*")) if p.suffix in (".h", ".cc")]
    assert files, "no sources found"
    faults = 0
    for file in files:
        path = file.relative_to(root)
        for fault in faults_of(path, file.read_text()):
            print(f"{path}: {fault}")
            faults += 1
    scripts = [p for p in sorted((root / "scripts").iterdir()) if not p.suffix and p.name != "start"]
    for script in scripts:
        for fault in faults_of_script(script.resolve()):
            print(f"{script.relative_to(root)}: {fault}")
            faults += 1
    print(f"{len(files)} files, {len(scripts)} scripts, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
