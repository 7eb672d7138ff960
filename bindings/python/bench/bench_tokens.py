"""What a token costs in Python, beside an empty call of the extension.

python bindings/python/bench/bench_tokens.py

Times are the best of many rounds, in nanoseconds a call or a number. `cargo run --release --bin border` in
benches/tokens has the same work in Rust and C.
"""

import random
import tempfile
import timeit
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import panseal

COUNT = 4096
ROUNDS = 100


def visa(source: random.Random) -> str:
    """A card number of 16 digits that passes the Luhn check."""
    digits = "4" + "".join(source.choices("0123456789", k=14))
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def each(call: Callable[[str], object], rows: Sequence[str]) -> float:
    """Nanoseconds for one call: a loop over distinct texts, less what the loop itself takes."""
    some = rows[:256]
    spent = min(timeit.repeat("for row in some: call(row)", number=1, repeat=ROUNDS, globals=locals()))
    empty = min(timeit.repeat("for row in some: pass", number=1, repeat=ROUNDS, globals=locals()))
    return (spent - empty) / len(some) * 1e9


def whole(call: Callable[[], object]) -> float:
    """Nanoseconds for one row of a call that takes all of them."""
    return min(timeit.repeat(call, number=1, repeat=ROUNDS)) / COUNT * 1e9


def main() -> None:
    """Measure and print."""
    source = random.Random(42)
    numbers = [visa(source) for _ in range(COUNT)]
    data = "".join(numbers).encode()
    print(f"{'panseal.check(str), for comparison':<44}{each(panseal.check, numbers):>8.0f}")
    with tempfile.TemporaryDirectory() as folder:
        root = f"file:{Path(folder) / 'root'}"
        panseal.create_root_key(root)
        for scheme in ("ff1:0+4", "siv", "mac"):
            keyring = Path(folder) / scheme
            with panseal.Tokenizer.open(scheme, keyring=keyring, root=root) as tokenizer:
                tokens = [tokenizer.tokenize(number) for number in numbers]
                lines: list[tuple[str, float]] = [
                    ("tokenize(str)", each(tokenizer.tokenize, numbers)),
                    ("tokenize_many(list of str)", whole(lambda: tokenizer.tokenize_many(numbers))),
                    (
                        "tokenize_many(bytes, width=16)",
                        whole(lambda: tokenizer.tokenize_many(data, width=16)),
                    ),
                ]
                if scheme != "mac":
                    lines.append(("detokenize(str)", each(tokenizer.detokenize, tokens)))
                    lines.append(
                        ("detokenize_many(list of str)", whole(partial(tokenizer.detokenize_many, tokens)))
                    )
                for what, spent in lines:
                    print(f"{scheme + ', ' + what:<44}{spent:>8.0f}")


if __name__ == "__main__":
    main()
