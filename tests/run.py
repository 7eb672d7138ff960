"""Runs all suites and says how many tests ran in each, and which suites could not run here and why.

With CI set, a suite that did not run is a failure. Called by `make test`, in the virtual environment that it
makes.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# Test files that are suites of their own; all others are the suite 'rust'.
SUITES = {
    "c": ["abi", "header_compile", "install", "readme", "stack"],
    "faults": [
        "all_verbs",
        "duplicate_cards",
        "migration",
        "starved",
        "tampering",
        "vault_dump",
        "vault_faults",
        "vault_writers",
    ],
    "misuse": ["misuse"],
    "postgres": [
        "fork_postgres",
        "postgres_connect",
        "postgres_faults",
        "postgres_plans",
        "postgres_roles",
        "postgres_verbs",
    ],
    "residue": ["residue_heap", "residue_process", "residue_waiting", "wiping"],
}

CARGO_COUNT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed")
SCRIPT_COUNT = re.compile(r"^(\d+) passed, (\d+) failed$")
# Seconds that a command may take: a suite that hangs is a failure with a name, and the others still run.
LIMIT = 30 * 60

PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
NOT_RUN = re.compile(r"^not run: (.+)$")


@dataclass
class Suite:
    """What became of a suite."""

    name: str
    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    broken: bool = False
    not_run: list[str] = field(default_factory=list)


def run(suite: Suite, command: list[str], **env: str) -> None:
    """Runs a command, shows what it prints, and counts; it is ended when it takes too long."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"RUST_BACKTRACE": "0"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    clock = threading.Timer(LIMIT, end, [process])
    clock.start()
    last = ""
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            count(suite, line.rstrip("\n"))
            last = line if line.strip() else last
    except KeyboardInterrupt:
        end(process)
        raise
    finally:
        clock.cancel()
    if "pytest" in command:
        count_pytest(suite, last)
    suite.broken |= process.wait() != 0
    suite.seconds += time.monotonic() - started


def end(process: subprocess.Popen[str]) -> None:
    """Ends a command with all that it has started."""
    print(f"ended after at most {LIMIT} s: {process.args}", flush=True)
    os.killpg(process.pid, signal.SIGKILL)


def count(suite: Suite, line: str) -> None:
    """Counts what a line of a Rust test says."""
    if match := CARGO_COUNT.match(line) or SCRIPT_COUNT.match(line):
        suite.passed += int(match[1])
        suite.failed += int(match[2])
    elif match := NOT_RUN.match(line):
        suite.not_run.append(match[1])


def count_pytest(suite: Suite, line: str) -> None:
    """Counts what pytest's closing line says; a skipped test is a hole."""
    for number, what in PYTEST_COUNT.findall(line):
        if what == "passed":
            suite.passed += int(number)
        elif what == "skipped":
            suite.not_run.append(f"python: {number} tests skipped")
        else:
            suite.failed += int(number)


def rust_suites() -> list[tuple[str, list[str]]]:
    """The Rust test files by suite; each belongs to exactly one."""
    files = {file.stem for file in (ROOT / "tests").glob("*.rs")}
    named = {file for names in SUITES.values() for file in names}
    if named - files:
        sys.exit(f"tests/run.py names test files that are not there: {sorted(named - files)}")
    return [("rust", sorted(files - named)), *SUITES.items()]


def main() -> int:
    """Runs everything."""
    suites = []
    test = [CARGO, "test", "--package", "panseal", "--features", "capi,postgres", "--no-fail-fast"]
    for name, files in rust_suites():
        suites.append(suite := Suite(name))
        targets = [argument for file in files for argument in ("--test", file)]
        run(suite, [*test, *(["--lib"] if name == "rust" else []), *targets])
        if name == "rust":
            run(suite, [*test, "--doc"])
            left_out = ["--no-default-features", "--test", "without_ff1"]
            run(suite, [CARGO, "test", "--package", "panseal", *left_out])
    suites.append(suite := Suite("python"))
    run(suite, ["make", "--no-print-directory", "python"])
    if not suite.broken:
        python = str(Path(sys.executable).parent / "python")
        run(suite, [python, "-m", "pytest", "-q", "bindings/python/tests"], PYTHONPATH="bindings/python")
        suites.append(clients := Suite("clients"))
        run(clients, [python, "tests/clients/run.py"])

    suites.append(suite := Suite("reading"))
    run(suite, [sys.executable, "tests/second_reading.py"])

    print("\nsuite      passed  failed  seconds")
    for suite in suites:
        print(f"{suite.name:<10} {suite.passed:>6}  {suite.failed:>6}  {suite.seconds:>7.0f}")
    ci = bool(os.environ.get("CI"))
    bad = [suite for suite in suites if suite.broken or suite.failed or not (suite.passed or suite.not_run)]
    for suite in suites:
        for why in suite.not_run:
            print(f"not run: {why}")
        if suite in bad:
            print(f"FAILED: suite {suite.name}")
        elif ci and suite.not_run:
            print(f"FAILED: suite {suite.name}: all of it must run in CI")
            bad.append(suite)
    passed, failed = sum(suite.passed for suite in suites), sum(suite.failed for suite in suites)
    print(f"\n{passed} passed, {max(failed, len(bad))} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
