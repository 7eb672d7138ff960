"""Runs real clients of the four providers against the dialects under uvicorn, on the loopback address.

    run.py [NAME...]

NAME is one of the programs, `sumup_sdk.py`; all of them by default. Clients are downloaded on first use, in
the versions that stand in this folder, and kept in `target/clients`. Called by `tests/run.py`, once there is
the Python extension.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from find_number import forms, hits  # noqa: E402
from sumup_document import amended  # noqa: E402

KEPT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "clients"
PATIENCE = 300

# The card numbers that the programs send, as the environment variables by which they find them. No log may
# have them.
CARDS = {"VISA": "4111111111111111", "MASTERCARD": "5555555555554444", "AMEX": "378282246310005"}
# One that a log must have: a caller has put it into a path.
PLANTED = "4242424242424242"


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

    is_watched: bool = False
    """It asks SumUp's dialect, and every reply must be as SumUp's document has it."""


# Arguments of programs.
DOCUMENT, NOTES, FOLDER = "DOCUMENT", "NOTES", "FOLDER"
NODE = ("node", "npm")
PROGRAMS = (
    Program("watch.py", "app", arguments=(DOCUMENT, FOLDER)),
    Program("sumup_sdk.py", "sumup", is_watched=True),
    Program("sumup_sdk_old.py", "sumup-0.0.11", is_watched=True),
    Program("sumup_sdk.mjs", "npm", NODE, is_watched=True),
    Program("sumup_rest_api.mjs", "npm", NODE, is_watched=True),
    Program("sumup_openapi.py", "app", arguments=(DOCUMENT,), is_watched=True),
    Program("stax_fattmerchant.py", "stax"),
    Program("pace_jsonapi.py", "pace"),
    Program("pace_kitsu.mjs", "npm", NODE),
    Program("webpay.sh", "", ("bash", "curl", "openssl")),
    # It sends what is not of the document too, and looks at the replies itself. Last: it leaves
    # much behind.
    Program("sumup_schemathesis.py", "schemathesis", arguments=(DOCUMENT, NOTES, FOLDER)),
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


def lacks(tool: str) -> bool:
    """Whether a program is not there, or too old."""
    if shutil.which(tool) is None:
        return True
    if tool != "node":
        return False
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    return int(version.removeprefix("v").partition(".")[0]) < 18


@contextlib.contextmanager
def served(folder: Path, document: Path) -> Iterator[dict[str, str]]:
    """The application, until the end of the block; gives the environment of its clients."""
    python = installed("app") / "bin/python"
    command = [str(python), str(HERE / "app.py"), str(folder), str(document)]
    environment = os.environ | CARDS | {"PYTHONPATH": str(ROOT / "bindings/python")}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
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
    before, started = tally.passed + tally.failed, time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    for line in done.stdout.splitlines():
        tally.note(program.name, line)
    said = tally.passed + tally.failed - before
    if done.returncode or not said:
        tally.expect(program.name, f"ends with {done.returncode}: {done.stderr[-2000:]}", False)
    print(f"{program.name}: {said} checks, {time.monotonic() - started:.1f} s", flush=True)


def check_replies(notes: Path, program: Program, tally: Tally) -> None:
    """Look at what SumUp's document has against the replies to a program, and against its requests."""
    replies = [json.loads(line) for line in notes.read_text().splitlines()]
    for reply in replies:
        if reply["fault"] is not None:
            what = f"{reply['method']}, answered {reply['status']}: {reply['fault']}"
            tally.expect(program.name, what, False)
    tally.expect(program.name, "has been answered", len(replies) > 5)
    tally.expect(
        program.name, "all replies are as the document says", all(r["fault"] is None for r in replies)
    )


def search(folder: Path, tally: Tally) -> None:
    """Look for the card numbers in the log, which has all replies too, and in the vault's files."""
    files = sorted(
        file for file in folder.iterdir() if file.name == "log" or file.name.startswith("cards.db")
    )
    tally.expect("search", "there are a log and a vault", len(files) >= 2)
    for number in CARDS.values():
        found = [file.name for file in files if number_in(file, number)]
        tally.expect("search", f"no file has {number}: {found}", not found)
    found = [file.name for file in files if number_in(file, PLANTED)]
    tally.expect("search", f"the planted number is found in the log alone: {found}", found == ["log"])


def number_in(file: Path, number: str) -> list[str]:
    """In which forms a file has a number."""
    wanted = {what: form for what, form in forms(number, " ").items() if not what.startswith("name")}
    return hits(file.read_bytes(), wanted)


def plant(environment: dict[str, str]) -> None:
    """Ask for a customer whose id is a card number."""
    request = urllib.request.Request(f"{environment['URL']}/sumup/v0.1/customers/{PLANTED}")
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=PATIENCE)


def run_all(names: list[str], folder: Path, tally: Tally) -> None:
    """Start the application, run the programs, look at what they have left."""
    document, notes = folder / "sumup.json", folder / "sumup.jsonl"
    examples = {"customer_id": "c-example", "number": CARDS["VISA"], "expiry_year": "2030"}
    document.write_text(json.dumps(amended(examples)))
    given = {DOCUMENT: str(document), NOTES: str(notes), FOLDER: str(folder)}
    with served(folder, document) as environment:
        for program in PROGRAMS:
            if names and program.name not in names:
                continue
            missing = [tool for tool in program.tools if lacks(tool)]
            if missing:
                print(f"not run: clients: {program.name} needs {' and '.join(missing)}")
                continue
            notes.write_text("")
            try:
                run(program, environment, given, tally)
            except CannotInstall as why:
                print(f"not run: clients: {program.name}: {why}")
                continue
            if program.is_watched:
                check_replies(notes, program, tally)
        plant(environment)
    search(folder, tally)


def main() -> int:
    """Run what the command line says."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="panseal-clients.") as folder:
        try:
            run_all(sys.argv[1:], Path(folder), tally)
        except CannotInstall as why:
            print(f"not run: clients: {why}")
            return 0
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
