"""What the dialects cost under uvicorn, beside an application that reads the body and answers a fixed JSON.

    python -m pip install uvicorn httptools uvloop     # without the last two, or with h11: what uvicorn needs
    apt-get install wrk
    python bindings/python/bench/asgi.py [ROUNDS [SECONDS [h11]]]

Both run under uvicorn on the loopback address, each in a process of its own, and wrk asks them by turns; the
vault is in memory, and a fresh one each round. The requests are SumUp's `create`, for one customer after the
other, with a bearer key. Beside the requests a second stands the processor time that one takes of its server.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn

import panseal

CUSTOMERS = 5000
CONNECTIONS = 16
PORTS = {"bare": 8101, "panseal": 8102}

BODY = {
    "type": "card",
    "card": {
        "name": "ADA BYRON",
        "number": "4111111111111111",
        "expiry_year": "2031",
        "expiry_month": "12",
        "cvv": "123",
    },
}
ANSWER = (
    b'{"token":"a3e8c7d2-5b44-4f0e-9f4d-6c1c0b8b7a10","active":true,"type":"card","card":{"last_4_digits":'
    b'"1111","type":"VISA"},"created_at":"2026-11-20T19:40:00.000+00:00"}'
)

# Each request is another customer's, and another card's.
SCRIPT = """
local at = 0
local function digits()
    local text = "4" .. string.format("%%07d%%07d", math.random(0, 9999999), math.random(0, 9999999))
    local sum = 0
    for place = 1, 15 do
        local digit = tonumber(text:sub(16 - place, 16 - place)) * (1 + place %% 2)
        sum = sum + math.floor(digit / 10) + digit %% 10
    end
    return text .. (10 - sum %% 10) %% 10
end
function init(args)
    math.randomseed(os.time())
    bodies = {}
    for i = 1, 2000 do bodies[i] = (%(body)s):gsub("4111111111111111", digits()) end
end
function request()
    at = at + 1
    local target = "/sumup/v0.1/customers/c-" .. at %% %(customers)d .. "/payment-instruments"
    local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer %(key)s"}
    return wrk.format("POST", target, headers, bodies[1 + at %% 2000])
end
"""


async def bare(scope, receive, send):  # noqa: ANN001, ANN201
    """Read the body and answer."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def serve(name: str, root: str, key: Connection, how: dict[str, str]) -> None:
    """Run one of the two applications, in a process of its own."""
    quiet: dict[str, Any] = {"host": "127.0.0.1", "port": PORTS[name], "access_log": False}
    quiet |= {"log_level": "warning", "lifespan": "off"} | how
    if name == "bare":
        uvicorn.run(bare, **quiet)
        return
    with panseal.Vault.open("memory:", root=root) as vault:
        for number in range(CUSTOMERS):
            vault.create_customer(f"c-{number}")
        with vault.grant("sumup", scopes="payment_instruments") as made:
            key.send(made.reveal())
        limit = {"/sumup": "max_instruments=1000000000"}
        uvicorn.run(panseal.asgi.app(vault, dialects=["sumup"], settings=limit), **quiet)


@contextmanager
def serving(root: str, how: dict[str, str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Both applications, until the end of the block; the bearer key, and the ids of the processes."""
    context = get_context("spawn")
    here, there = context.Pipe()
    servers = [context.Process(target=serve, args=(name, root, there, how)) for name in PORTS]
    for server in servers:
        server.start()
    try:
        key = here.recv()
        for port in PORTS.values():
            until_there(port)
        yield key, {name: server.pid or 0 for name, server in zip(PORTS, servers, strict=True)}
    finally:
        for server in servers:
            server.terminate()
            server.join()


def until_there(port: int) -> None:
    """Wait for a server."""
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody listens at {port}")


def processor(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate(name: str, script: Path, seconds: int, pid: int) -> tuple[float, float]:
    """Requests a second, all answered with 2xx, and the server's processor time for one, in microseconds."""
    before = processor(pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
    done = subprocess.run(  # noqa: S603
        [*command, f"http://127.0.0.1:{PORTS[name]}"], capture_output=True, text=True, check=True
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"{name}: {done.stdout}")
    found = re.search(r"(\d+) requests in (?s:.*)Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None:
        raise SystemExit(done.stdout)
    return float(found[2]), (processor(pid) - before) / int(found[1]) * 1e6


def main() -> None:
    """Measure and print."""
    numbers = [int(text) for text in sys.argv[1:] if text.isdecimal()]
    rounds, seconds = numbers + [10, 3][len(numbers) :]
    how = {"http": "h11", "loop": "asyncio"} if "h11" in sys.argv else {}
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = f"file:{folder}/root"
        panseal.create_root_key(root)
        script = Path(folder) / "create.lua"
        ratios, loads = [], []
        for number in range(rounds):
            names = list(PORTS) if number % 2 else list(PORTS)[::-1]
            with serving(root, how) as (key, pids):
                values = {"body": json.dumps(json.dumps(BODY)), "customers": CUSTOMERS, "key": key}
                script.write_text(SCRIPT % values)
                found = {name: rate(name, script, seconds, pids[name]) for name in names}
            (theirs, their_load), (ours, our_load) = found["bare"], found["panseal"]
            ratios.append(ours / theirs)
            loads.append(their_load / our_load)
            print(f"bare    {theirs:>8.0f}/s {their_load:>6.1f} us    ", end="")
            print(f"panseal {ours:>8.0f}/s {our_load:>6.1f} us    {ratios[-1]:.2f} {loads[-1]:.2f}")
    for what, found_ratios in (("requests", ratios), ("processor time", loads)):
        middle = statistics.median(found_ratios)
        print(f"{what}: median {middle:.2f}, {min(found_ratios):.2f} to {max(found_ratios):.2f}; goal 0.7")


if __name__ == "__main__":
    main()
