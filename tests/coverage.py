#!/usr/bin/env python3
"""How much of each source file has been run, by gcov. usage: coverage.py BUILD-DIRECTORY

Prints a line for each file of engine/, resp/ and server/ (lines, of them run, share), then the lines
of engine/ and resp/ that were not run, each with the reason that uncovered.tsv gives. A line that
stands in several objects, such as one of a header, has been run if it has been in one of them.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOMS = ("engine", "resp", "server")
LISTED = ("engine", "resp")


def read_counts(build):
    """{file: {line: runs}} over all objects of the libraries."""
    root = build.parent.parent
    counts = collections.defaultdict(lambda: collections.defaultdict(int))
    data = [path for room in ROOMS for path in sorted((build / room).rglob("*.gcda"))]
    for path in data:
        with tempfile.TemporaryDirectory() as out:
            answer = subprocess.run(["gcov", "--json-format", "--stdout", path], cwd=out,
                                    capture_output=True, check=True).stdout
        for text in answer.splitlines():
            for file in json.loads(text)["files"]:
                source = os.path.relpath(os.path.join(build, file["file"]), root)
                if source.split("/")[0] not in ROOMS:
                    continue
                for line in file["lines"]:
                    counts[source][line["line_number"]] += line["count"]
    return counts


def blocks(numbers):
    """[1, 2, 3, 7] as [[1, 2, 3], [7]]."""
    found = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def read_reasons():
    """{(file, text of a line): why it is not run}."""
    path = pathlib.Path(__file__).with_name("uncovered.tsv")
    rows = [row.split("\t") for row in path.read_text().splitlines() if not row.startswith("#")]
    return {(file, text): reason for file, text, reason in rows}


def print_missed(root, counts):
    """The blocks of lines that were not run. Only a brace is the way out by an exception."""
    reasons = read_reasons()
    for file in sorted(counts):
        if file.split("/")[0] not in LISTED:
            continue
        lines = (root / file).read_text().splitlines()
        missed = [n for n, count in sorted(counts[file].items())
                  if count == 0 and lines[n - 1].strip("} ;")]
        reason = None
        for block in blocks(missed):
            # What gcov counts for a statement may be some of its lines.
            known = reasons.get((file, lines[block[0] - 1].strip()))
            if known is None and reason is not None and block[0] - last <= 3:
                known = reason
            reason, last = known, block[-1]
            where = f"{file}:{block[0]}" + (f"-{last}" if last > block[0] else "")
            print(f"{where:36} {known or 'not explained: ' + lines[block[0] - 1].strip()}")


def main():
    counts = read_counts(pathlib.Path(sys.argv[1]).resolve())
    if not counts:
        sys.exit("no coverage data: was it built with -Db_coverage=true and run?")
    totals = collections.defaultdict(lambda: [0, 0])
    print(f"{'file':48} {'lines':>6} {'run':>6} {'share':>7}")
    for file in sorted(counts):
        lines = counts[file]
        run = sum(1 for count in lines.values() if count > 0)
        for name in (file.split("/")[0] + "/", "all"):
            totals[name][0] += len(lines)
            totals[name][1] += run
        print(f"{file:48} {len(lines):6} {run:6} {100 * run / len(lines):6.1f}%")
    for name, (lines, run) in totals.items():
        print(f"{name:48} {lines:6} {run:6} {100 * run / lines:6.1f}%")
    print("\nNot run:")
    print_missed(pathlib.Path(__file__).resolve().parent.parent, counts)


if __name__ == "__main__":
    main()
