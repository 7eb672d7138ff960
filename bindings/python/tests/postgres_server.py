"""A PostgreSQL server of the tests' own, in a temporary folder, gone when they end."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0


def programs() -> Path | None:
    """Where `initdb` and `postgres` are: the newest of Debian's versions, or on the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    folders = [*([Path(found).parent] if found else []), *folders]
    whole = [
        folder for folder in folders if (folder / "initdb").is_file() and (folder / "postgres").is_file()
    ]
    return whole[-1] if whole else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(binaries: Path) -> Iterator[str]:
    """Starts one and gives its URL. It refuses to run as root, who starts it as somebody else."""
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="panseal-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    # A user of its own, trusted: whoever can reach the port on this machine reaches a database of tests.
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "panseal", "--auth=trust", "--no-sync"],
        check=True,
        capture_output=True,
        user=user,
        cwd=folder,
    )
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    try:
        wait_for(port)
        yield f"postgres://panseal@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            time.sleep(0.5)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
