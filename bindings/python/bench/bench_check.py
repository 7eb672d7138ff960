"""The speed of `check` and `check_many`, side by side with pydantic-extra-types, in one run.

python -m pip install pydantic pydantic-extra-types pyarrow
python bindings/python/bench/bench_check.py

Times are the best of many rounds, in nanoseconds a number. Without the peers theirs are left out.
"""

import random
import timeit
from collections.abc import Callable, Sequence
from statistics import median

import panseal

COUNT = 65_536
ROUNDS = 100
TURNS = 500


def visa(source: random.Random) -> str:
    """A card number of 16 digits that passes the Luhn check."""
    digits = "4" + "".join(source.choices("0123456789", k=14))
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def each(judge: Callable[[str], object], numbers: Sequence[str]) -> float:
    """Nanoseconds for one call: a loop over distinct numbers, less what the loop itself takes."""
    some = numbers[:256]
    spent = min(timeit.repeat("for n in some: judge(n)", number=1, repeat=ROUNDS, globals=locals()))
    empty = min(timeit.repeat("for n in some: pass", number=1, repeat=ROUNDS, globals=locals()))
    return (spent - empty) / len(some) * 1e9


def whole(judge: Callable[[], object]) -> float:
    """Nanoseconds for one number of a call that takes all of them."""
    return min(timeit.repeat(judge, number=1, repeat=ROUNDS)) / COUNT * 1e9


def whole_once(judge: Callable[[Sequence[str]], object], numbers: Sequence[str]) -> float:
    """Nanoseconds for one number of one call that takes all of them."""
    return timeit.timeit(lambda: judge(numbers), number=1) / COUNT * 1e9


def show(what: str, nanoseconds: float, note: str = "") -> None:
    """Print a line."""
    print(f"{what:<52}{nanoseconds:>10.1f}  {note}")


def main() -> None:
    """Measure and print."""
    source = random.Random(42)
    numbers = list({visa(source): None for _ in range(COUNT + 64)})[:COUNT]
    source.shuffle(numbers)

    alone = each(panseal.check, numbers)
    show("panseal.check(str)", alone)
    try:
        from pydantic import TypeAdapter
        from pydantic_extra_types.payment import PaymentCardNumber
    except ImportError:
        print("pydantic-extra-types is not installed")
    else:
        peers = {
            "PaymentCardNumber(str)": PaymentCardNumber,
            "TypeAdapter(PaymentCardNumber).validate_python(str)": TypeAdapter(
                PaymentCardNumber
            ).validate_python,
        }
        for name, judge in peers.items():
            spent = each(judge, numbers)
            show(name, spent, f"{spent / alone:.1f} times panseal.check")

    lengths = whole(lambda: sum(map(len, numbers)))
    show("touching a list of str: sum(map(len, numbers))", lengths)
    # By turns: a processor that is slowed down for a while is so for both.
    turns = [(whole_once("".join, numbers), whole_once(panseal.check_many, numbers)) for _ in range(TURNS)]
    joined, batch = (min(side) for side in zip(*turns, strict=True))
    show("touching a list of str: ''.join(numbers)", joined)
    middle = median(ours - theirs for theirs, ours in turns)
    show(
        "panseal.check_many(list of str)",
        batch,
        f"{batch - lengths:+.1f} to len, {batch - joined:+.1f} to join; by turns {middle:+.1f}",
    )
    encoded = [number.encode() for number in numbers]
    show("panseal.check_many(list of bytes)", whole(lambda: panseal.check_many(encoded)))
    data = b"".join(encoded)
    show("panseal.check_many(bytes, width=16)", whole(lambda: panseal.check_many(data, width=16)))
    try:
        import pyarrow as pa
    except ImportError:
        print("pyarrow is not installed")
    else:
        for kind in (pa.string(), pa.large_string(), pa.string_view()):
            column = pa.array(numbers, kind)
            show(f"panseal.check_many(Arrow {kind})", whole(lambda column=column: panseal.check_many(column)))


if __name__ == "__main__":
    main()
