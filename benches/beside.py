#!/usr/bin/env python3
"""Two builds of the vault's benchmark by turns: what the verbs cost in the second in terms of the first.

    python benches/beside.py OLD NEW [sqlite] [memory] [postgres] [scale=500000] [+word]

OLD and NEW are programs that `cargo build --release --manifest-path benches/vault/Cargo.toml` has made, from the same
benchmark over two versions of the library. Both run all the while, each with a vault of its own on the same disk. In a
turn each does a few rounds of a line, one after the other, the first one first in every other turn. A ratio is the median
over the turns. Processor time is that of the program and of the PostgreSQL server that it has started.

On a disk that others use too, the time of a call that waits for a sync says little: `TMPDIR` may name one in memory.
"""

import statistics
import subprocess
import sys
from typing import NamedTuple

TURNS = 9
ROUNDS = 4
STORES = ("sqlite", "memory", "postgres")


class Took(NamedTuple):
    """Microseconds an operation."""

    time: float
    processor: float


class Build:
    """A program that waits to be told which line to run."""

    def __init__(self, program: str, store: list[str]) -> None:
        self.process = subprocess.Popen(
            [program, "turns", *store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.lines = list(iter(self.read, ""))

    def read(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args!r} has ended")
        return line.rstrip("\n")

    def round(self, line: str) -> Took:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        time, own, server = map(float, self.read().split())
        return Took(time, own + server)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def mean(rounds: list[Took]) -> Took:
    """Of each part."""
    return Took(*(statistics.fmean(part) for part in zip(*rounds, strict=True)))


def compare(builds: tuple[Build, Build], line: str) -> None:
    """Runs a line by turns and prints its row."""
    turns: list[tuple[Took, Took]] = []
    for build in builds:
        build.round(line)
    for turn in range(TURNS):
        order = builds if turn % 2 == 0 else builds[::-1]
        rounds: dict[Build, list[Took]] = {build: [] for build in builds}
        for build in order * ROUNDS:
            rounds[build].append(build.round(line))
        turns.append((mean(rounds[builds[0]]), mean(rounds[builds[1]])))
    cells = [line]
    for part in range(2):
        old, new = ([turn[side][part] for turn in turns] for side in range(2))
        ratio = statistics.median(b / a for a, b in zip(old, new, strict=True))
        cells += [f"{statistics.median(old):.1f}", f"{statistics.median(new):.1f}", f"{ratio:.2f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Compares what the command line names."""
    programs, wanted = sys.argv[1:3], sys.argv[3:]
    if len(programs) < 2:
        sys.exit(__doc__)
    words = [word[1:] for word in wanted if word.startswith("+")]
    stores = [word for word in wanted if not word.startswith("+")]
    print("| us an operation | old | new | ratio | processor old | new | ratio |")
    print("|---|---|---|---|---|---|---|")
    for store in stores or STORES:
        builds = (Build(programs[0], store.split("=")), Build(programs[1], store.split("=")))
        # Of a large vault each has its own count of rows in the name only.
        for line in builds[0].lines:
            if not words or any(word in line for word in words):
                compare(builds, line)
        for build in builds:
            build.close()


if __name__ == "__main__":
    main()
