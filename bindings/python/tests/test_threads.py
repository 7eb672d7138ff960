"""One vault, many threads, and forks."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import Place, random_visa

import panseal

THREADS = 8


def in_threads(work: Callable[[int], object]) -> list[object]:
    """Lets all threads begin at once and gives their results."""
    start = threading.Barrier(THREADS)

    def begin(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_threads_share_a_vault(vault: panseal.Vault, place: Place) -> None:
    numbers = [random_visa() for _ in range(5)]

    def work(_: int) -> list[tuple[str, str]]:
        made = [(vault.tokenize(number).token, number) for number in numbers]
        for token, number in made:
            assert vault.lookup(token).last4 == number[-4:]
            with vault.detokenize(token, reason="test") as pan:
                assert pan.reveal() == number
        return made

    tokens = [token for made in in_threads(work) for token, _ in made]  # type: ignore[attr-defined]
    assert len(set(tokens)) == THREADS * len(numbers)
    assert place.sql("select count(*) from card") == [(len(numbers),)]


def test_threads_open_one_file(place: Place) -> None:
    place.open().close()

    def work(_: int) -> str:
        with place.open() as vault:
            return vault.tokenize("4242424242424242").token

    tokens = in_threads(work)
    with place.open(create=False) as vault:
        assert {vault.lookup(str(token)).last4 for token in tokens} == {"4242"}
    assert place.sql("select count(*) from card") == [(1,)]


def test_closing_does_not_disturb_calls_that_are_inside(place: Place) -> None:
    shared = place.open()
    started = threading.Event()

    def work(number: int) -> str:
        if number == 0:
            started.wait()
            shared.close()
            return "closed"
        try:
            while True:
                shared.tokenize("4242424242424242")
                started.set()
        except panseal.VaultError as error:
            return error.code

    assert Counter(in_threads(work)) == {"closed": 1, "handle": THREADS - 1}
    with place.open() as vault:
        vault.tokenize("4242424242424242")


def test_a_secret_is_wiped_once_and_read_whole_or_not_at_all(vault: panseal.Vault) -> None:
    token = vault.tokenize("4242424242424242").token
    for _ in range(20):
        secret = vault.detokenize(token, reason="test")

        def work(number: int, secret: panseal.Secret = secret) -> str:
            if number == 0:
                secret.wipe()
                return ""
            try:
                return secret.reveal()
            except panseal.ArgumentError:
                return ""

        assert set(in_threads(work)) <= {"", "4242424242424242"}


def test_other_threads_run_while_one_waits_for_the_database(place: Place) -> None:
    hold = (
        f"import sqlite3; held = sqlite3.connect({str(place.file)!r}); held.execute('begin immediate');"
        "print('held', flush=True); input()"
    )
    with (
        place.open() as vault,
        subprocess.Popen(
            [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        waiting = pool.submit(vault.tokenize, "4242424242424242")
        for _ in range(100):
            time.sleep(0.001)
        assert not waiting.done(), "the other program still has the database"
        other.communicate("\n")
        assert waiting.result().last4 == "4242"


FORK = """
import os, sys, panseal
url, root = sys.argv[1:]
with panseal.Vault.open(url, root=root) as vault:
    before = vault.tokenize("4242424242424242").token
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            with vault.detokenize(before, reason="child") as pan:
                assert pan.reveal() == "4242424242424242"
            print(vault.tokenize("5555555555554444").token, flush=True)
            os._exit(0)
        children.append(child)
        print(vault.tokenize("5555555555554444").token, flush=True)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def test_a_forked_child_goes_on_with_the_vault(place: Place) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(panseal.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", FORK, place.url, place.root],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=True,
    )
    tokens = done.stdout.split()
    assert len(set(tokens)) == 8
    with place.open(create=False) as vault:
        assert {vault.lookup(token).last4 for token in tokens} == {"4444"}
