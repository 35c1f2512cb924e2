"""Workloads that several servers take turns in: running them, and telling what came of it."""

import pathlib
import statistics

import chart
from servers import Server, benchmark, describe_machine, load_client

CONNECTIONS = 50


class Workload:
    """One load under one name. `arguments`: of redis-benchmark, or of the load client if `mixed`.
    `fsync`: the mode of appendfsync while it runs."""

    def __init__(self, label, requests, arguments, mixed=False, fsync="everysec"):
        self.label = label
        self.requests = requests
        self.arguments = arguments
        self.mixed = mixed
        self.fsync = fsync

    def run(self, server):
        server.set_fsync(self.fsync)
        run = load_client if self.mixed else benchmark
        return run(server, self.requests, self.arguments)


def take_turns(found, rounds, workloads, prepare):
    """Runs the workloads on all servers in turn. `found`: name, binary and options of each;
    `prepare(server)` fills a server that has started. Returns the lists of results by label and
    name."""
    describe_machine()
    servers = []
    results = {}
    try:
        for name, binary, server_options in found:
            server = Server(name, binary, server_options)
            servers.append(server)
            prepare(server)
        for number in range(rounds):
            for workload in workloads:
                # Who goes first changes with the round.
                shift = number % len(servers)
                for server in servers[shift:] + servers[:shift]:
                    result = workload.run(server)
                    results.setdefault((workload.label, server.name), []).append(result)
            print(f"round {number + 1} of {rounds} done", flush=True)
    finally:
        for server in servers:
            server.stop()
    return results


def spread(values):
    return f"{statistics.median(values):6.2f}  {min(values):.2f} .. {max(values):.2f}"


def medians(runs):
    columns = ([run[i] for run in runs] for i in range(len(runs[0])))
    return [None if None in column else statistics.median(column) for column in columns]


def print_results(results, names, workloads):
    print(f"\n{'':24}{'server':10}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}"
          f"{'CPU us/op':>11}")
    for workload in workloads:
        for name in names:
            rate, p50, p99, cpu, p999 = medians(results[workload.label, name])
            tail = "-" if p999 is None else f"{p999:.3f}"
            print(f"{workload.label:24}{name:10}{rate:12.0f}{p50:9.3f}{p99:9.3f}{tail:>10}{cpu:11.2f}")
    if "respcask" not in names:
        return
    for other in names:
        if other == "respcask":
            continue
        print(f"\nrespcask / {other}: median and spread over the rounds")
        for workload in workloads:
            rates, costs, tails = ratios(results, workload, other)
            print(f"{workload.label:24}throughput {spread(rates)}    CPU per operation {spread(costs)}"
                  f"    p99 {spread(tails)}")


def ratios(results, workload, other):
    """respcask's throughput, CPU per operation and p99 as shares of the other's, by rounds."""
    pairs = list(zip(results[workload.label, "respcask"], results[workload.label, other]))
    return ([a[0] / b[0] for a, b in pairs], [a[3] / b[3] for a, b in pairs],
            [a[2] / max(b[2], 0.001) for a, b in pairs])


def draw(path, results, workloads, other):
    """Bars: throughput and CPU time per operation of respcask as shares of the other's."""
    rows = []
    for workload in workloads:
        rates, costs, _ = ratios(results, workload, other)
        rows.append((workload.label, statistics.median(rates), statistics.median(costs)))
    pathlib.Path(path).write_text(chart.bars(
        f"respcask, {other} = 1",
        ("throughput (more is better)", "processor time per operation (less is better)"), rows))
