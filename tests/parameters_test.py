#!/usr/bin/env python3
"""Every parameter that is said to have a meaning is read by something. usage: parameters_test.py ROOT

Each member of Config that a row of server/config/table.cc names has to be read outside server/config/,
where values are only parsed and shown, and outside INFO, which shows some more. Else its row belongs to
server/config/table_inert.cc, so that the log names it as one without effect.
"""

import pathlib
import re
import sys

SHOWN_IN = "server/info.cc"
# Read in another way, or on purpose by nothing.
EXCEPTIONS = {
    "client_output_buffer_limit": "read by Config::output_limit()",
    "latency_tracking_info_percentiles": "what INFO shows is all that it is for",
    "enable_protected_configs": "read by CONFIG SET itself, in server/config/store.cc",
    "lazyfree_lazy_eviction": "memory is always freed in the background, as help and file say",
    "lazyfree_lazy_expire": "the same",
    "lazyfree_lazy_server_del": "the same",
    "lazyfree_lazy_user_del": "the same",
    "lazyfree_lazy_user_flush": "the same",
    "sanitize_dump_payload": "RESTORE always checks everything, as help and file say",
}


def named_members(table):
    return sorted(set(re.findall(r"&Config::(\w+)", table)))


def is_read(member, sources):
    use = re.compile(rf"(?:\.|->|&Config::){member}\b")
    return any(use.search(text) for text in sources)


def faults_of(table, sources, exceptions):
    members = named_members(table)
    for member in members:
        read = is_read(member, sources)
        if not read and member not in exceptions:
            yield f"Config::{member} is read nowhere: its row belongs to table_inert.cc"
        if read and member in exceptions:
            yield f"Config::{member} is read: it is no exception any more"
    for member in exceptions:
        if member not in members:
            yield f"Config::{member} is an exception, but no row names it"


def self_test():
    table = "integer(\"a\", &Config::a_s), choice(\"b\", kEnumMember<&Config::b>)"
    assert not list(faults_of(table, ["config.a_s", "x->b;"], {}))
    assert list(faults_of(table, ["config.a_s", "b"], {}))
    assert list(faults_of(table, ["config.a_seconds", "x.b"], {}))
    assert not list(faults_of(table, ["config.a_s"], {"b": "why"}))
    assert list(faults_of(table, ["config.a_s", "x.b"], {"b": "why"}))
    assert list(faults_of(table, ["config.a_s", "x.b"], {"c": "why"}))


def main():
    self_test()
    root = pathlib.Path(sys.argv[1])
    table = (root / "server/config/table.cc").read_text()
    sources = [file.read_text() for file in sorted((root / "server").rglob("*"))
               if file.suffix in (".cc", ".h") and root / "server/config" not in file.parents
               and file != root / SHOWN_IN]
    assert len(named_members(table)) > 50 and len(sources) > 50
    faults = list(faults_of(table, sources, EXCEPTIONS))
    for fault in faults:
        print(fault)
    print(f"{len(named_members(table))} parameters, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
