#!/usr/bin/env python3
"""What `meson install` installs serves: README's example is built against it and runs.

usage: library_test.py README BUILD-DIRECTORY MESON-PREFIX CXX...

Installs into a temporary place, takes the C++ example out of README as it stands there, compiles it
with what pkg-config says and nothing else, against the shared and against the static library, and
runs it twice, so that the second run finds the store of the first. Then it looks at what the shared
library shows.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

MOST_LINES = 39


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def example_of(readme):
    """The program and what README says that it prints."""
    blocks = re.findall(r"^```cpp\n(.*?)^```$", readme, re.M | re.S)
    assert len(blocks) == 1, f"{len(blocks)} C++ blocks in README"
    assert len(blocks[0].splitlines()) <= MOST_LINES, "the example is too long"
    printed = re.search(r"^```cpp\n.*?^```$.*?^```text\n(.*?)^```$", readme, re.M | re.S)
    assert printed, "README does not say what the example prints"
    return blocks[0], printed.group(1)


def main():
    readme, build, prefix, *cxx = sys.argv[1:]
    program, expected = example_of(pathlib.Path(readme).read_text())
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary, "root")
        run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", root])
        installed = root / prefix.lstrip("/")
        assert os.access(installed / "bin/respcask-server", os.X_OK), "no server installed"
        headers = [str(p.relative_to(installed)) for p in (installed / "include").rglob("*.h")]
        assert headers == ["include/respcask/bitcask.h"], headers
        (description,) = installed.rglob("respcask-engine.pc")
        environment = dict(os.environ, PKG_CONFIG_PATH=str(description.parent))

        def flags(*options):
            ask = ["pkg-config", f"--define-variable=prefix={installed}", *options]
            return run(ask + ["respcask-engine"], env=environment).split()

        source = pathlib.Path(temporary, "example.cc")
        source.write_text(program)
        libraries = description.parent.parent
        static = [f.replace("-lrespcask", "-l:librespcask") + (".a" if "respcask" in f else "")
                  if f.startswith("-l") else f for f in flags("--static", "--libs")]
        for name, linking in (("shared", flags("--libs")), ("static", static)):
            binary = pathlib.Path(temporary, name)
            compiling = ["-std=c++20", "-Wall", "-Wextra", "-Werror", *flags("--cflags")]
            run([*cxx, *compiling, source, "-o", binary, *linking])
            where = pathlib.Path(temporary, name + ".d")
            where.mkdir()
            for _ in range(2):
                path = {"LD_LIBRARY_PATH": str(libraries)} if name == "shared" else {}
                printed = run([binary], cwd=where, env=path)
                assert printed == expected, f"it printed\n{printed}"
            needed = "librespcask-engine.so.0" in run(["readelf", "-d", binary])
            assert needed == (name == "shared"), f"{name}: {needed}"
        shown = run(["nm", "-DC", "--defined-only", libraries / "librespcask-engine.so"])
        for line in shown.splitlines():
            symbol = line.split(maxsplit=2)[2]
            assert re.match(r"respcask::(Batch|Bitcask|Snapshot)::", symbol), f"{symbol} is shown"
    print("installed, built and run")


if __name__ == "__main__":
    main()
