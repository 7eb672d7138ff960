"""Runs real clients of the four providers against the dialects under uvicorn, on the loopback address.

    run.py [NAME...]

NAME is one of the programs, `sumup_sdk.py`; all of them by default. Clients are downloaded on first use, in the versions
that stand in this folder, and kept in `target/clients`. Called by `tests/run.py`, which has `panseal` on its path.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sumup_document import amended

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KEPT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "clients"
PATIENCE = 120

# The card numbers that the programs send, as the environment variables by which they find them. No log may have them.
CARDS = {"VISA": "4111111111111111", "MASTERCARD": "5555555555554444", "AMEX": "378282246310005"}


@dataclass(frozen=True)
class Program:
    """A client at work."""

    name: str
    """Its file."""

    packages: str
    """`requirements-PACKAGES.txt`, "npm", or nothing."""

    tools: tuple[str, ...] = ()
    """What must be on the machine."""

    arguments: tuple[str, ...] = ()


DOCUMENT = "DOCUMENT"
PROGRAMS = (
    Program("watch.py", "app", (), (DOCUMENT, "NOTES")),
    Program("sumup_sdk.py", "sumup"),
    Program("sumup_sdk_old.py", "sumup-0.0.11"),
    Program("sumup_sdk.mjs", "npm", ("node", "npm")),
    Program("sumup_rest_api.mjs", "npm", ("node", "npm")),
    Program("sumup_openapi.py", "app", (), (DOCUMENT,)),
    Program("stax_fattmerchant.py", "stax"),
    Program("pace_jsonapi.py", "pace"),
    Program("pace_kitsu.mjs", "npm", ("node", "npm")),
    Program("webpay.sh", "", ("bash", "curl", "openssl")),
)


class Tally:
    """What was found."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def note(self, about: str, line: str) -> None:
        """Count a line of a program's, and show it where it is about a failure."""
        if line.startswith("ok "):
            self.passed += 1
        elif line.startswith("FAILED "):
            self.failed += 1
            print(f"{about}: {line}", flush=True)

    def expect(self, about: str, what: str, holds: bool) -> None:
        """Count a promise of this program's own."""
        self.note(about, f"ok {what}" if holds else f"FAILED {what}")


class CannotInstall(Exception):
    """The packages of a program are not here, and cannot be had."""


def installed(packages: str) -> Path:
    """The folder of a set of packages: the pinned ones, downloaded if they are not here yet."""
    is_npm = packages == "npm"
    names = ("package.json", "package-lock.json") if is_npm else (f"requirements-{packages}.txt",)
    wanted = b"".join((HERE / name).read_bytes() for name in names)
    wanted += f"{sys.version_info[:2]}".encode()
    folder = KEPT / packages
    mark = folder / "installed"
    digest = hashlib.sha256(wanted).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return folder
    print(f"downloading the clients of {names[-1]}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if is_npm:
        for name in names:
            shutil.copy(HERE / name, folder)
        get = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    else:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet"]
        get = [*pip, "--disable-pip-version-check", "--no-deps", "--requirement", str(HERE / names[0])]
    if subprocess.run(get, cwd=folder).returncode:
        raise CannotInstall(f"the packages of tests/clients/{names[-1]} could not be installed")
    mark.write_text(digest)
    return folder


def command_of(program: Program, folder: Path) -> list[str]:
    """What runs a program; `folder` has its packages."""
    if program.packages == "npm":
        # Node looks for packages beside the program.
        for file in HERE.glob("*.mjs"):
            shutil.copy(file, folder)
        return ["node", str(folder / program.name)]
    runner = "bash" if program.name.endswith(".sh") else str(folder / "bin/python")
    return [runner, str(HERE / program.name)]


@contextlib.contextmanager
def served(folder: Path, document: Path) -> Iterator[dict[str, str]]:
    """The application, until the end of the block; gives the environment of its clients."""
    python = installed("app") / "bin/python"
    command = [str(python), str(HERE / "app.py"), str(folder), str(document)]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, env=os.environ | CARDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as app,
    ):
        assert app.stdin is not None
        assert app.stdout is not None
        line = app.stdout.readline()
        if not line:
            sys.exit(f"the application does not start:\n{(folder / 'log').read_text()}")
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BASH_ENV")}
        yield clean | CARDS | json.loads(line)
        app.stdin.close()
        app.wait(PATIENCE)


def run(program: Program, environment: dict[str, str], given: dict[str, str], tally: Tally) -> None:
    """Run a program, and count what it says."""
    arguments = [given[name] for name in program.arguments]
    command = [*command_of(program, installed(program.packages) if program.packages else KEPT), *arguments]
    before = tally.passed + tally.failed
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    for line in done.stdout.splitlines():
        tally.note(program.name, line)
    if done.returncode or tally.passed + tally.failed == before:
        tally.expect(program.name, f"ends with {done.returncode}: {done.stderr[-2000:]}", False)
    print(f"{program.name}: {tally.passed + tally.failed - before} checks", flush=True)


def main() -> int:
    """Run everything."""
    names = sys.argv[1:]
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="panseal-clients.") as place:
        folder = Path(place)
        document = folder / "sumup.json"
        examples = {"customer_id": "c-example", "number": CARDS["VISA"], "expiry_year": "2030"}
        document.write_text(json.dumps(amended(examples)))
        with served(folder, document) as environment:
            given = {DOCUMENT: str(document), "NOTES": str(folder / "shown.jsonl")}
            for program in PROGRAMS:
                if names and program.name not in names:
                    continue
                missing = [tool for tool in program.tools if shutil.which(tool) is None]
                if missing:
                    print(f"not run: clients: {program.name} needs {' and '.join(missing)}")
                    continue
                run(program, environment, given, tally)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotInstall as why:
        print(f"not run: clients: {why}")
        sys.exit(1)
