"""Stores cards in a vault for a while: one of several programs that do so at once.

vault_writer.py VAULT ROOT SECONDS WRITER

Every token that was acknowledged is written to standard output with its number: these are numbers for tests.
"""

import sys
import threading
import time

import panseal

CARDS = 50
THREADS = 2


def number(place: int) -> str:
    """The number at a place; those of the other programs are the same."""
    body = f"41234500{place:07}"
    doubled = (int(digit) * (2 - at % 2) for at, digit in enumerate(body))
    return body + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def main() -> None:
    """Writes until the time is over."""
    url, root, seconds, writer = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    failures: list[Exception] = []

    def write(vault: panseal.Vault, first: int) -> None:
        turn = first
        try:
            while time.monotonic() < end:
                card = number(turn * 3 % CARDS)
                made = vault.tokenize(card, expiry="12/2040", customer="c-1")
                # One write a line: two threads must not mix theirs.
                sys.stdout.write(f"token {made.token} {card}\n")
                turn += 1
        except Exception as error:
            failures.append(error)

    with panseal.Vault.open(url, root=root, actor=writer, busy_timeout=30) as vault:
        threads = [threading.Thread(target=write, args=(vault, first)) for first in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    main()
