"""Searches files for a card number and a name in every form in which they could have been left there.

    find_number.py NUMBER NAME FILE...

NUMBER is a published test number. Ends with 1 where something was found. First it proves itself on each form.
"""

import base64
import sys
from pathlib import Path


def forms(number: str, name: str) -> dict[str, bytes]:
    """All forms of a number and a name, by what they are."""
    value = int(number)
    rank = sum(10**k for k in range(12, len(number))) + value
    found = {
        "ascii": number.encode(),
        "utf-16 little-endian": number.encode("utf-16-le"),
        "utf-16 big-endian": number.encode("utf-16-be"),
        # The whole bytes of it: the digits that share one with a neighbour are left out.
        "bcd": bytes.fromhex(number[: len(number) // 2 * 2]),
        "bcd, one digit on": bytes.fromhex(number[1 : 1 + (len(number) - 1) // 2 * 2]),
        "digit values": bytes(int(digit) for digit in number),
        "hex": number.encode().hex().encode(),
        "name, ascii": name.encode(),
        "name, lower case": name.lower().encode(),
        "name, utf-16 little-endian": name.encode("utf-16-le"),
        "name, utf-16 big-endian": name.encode("utf-16-be"),
    }
    for what, integer in (("number", value), ("rank", rank)):
        found[f"{what}, little-endian"] = integer.to_bytes(8, "little")
        found[f"{what}, big-endian"] = integer.to_bytes(8, "big")
    for shift in range(3):
        # Without the first and last characters, which depend on the neighbours.
        encoded = base64.b64encode(b"x" * shift + number.encode())
        found[f"base64, {shift} on"] = encoded[4 : len(encoded) - 4]
    return found


def hits(content: bytes, wanted: dict[str, bytes]) -> list[str]:
    """Which forms stand in the content."""
    return [what for what, form in wanted.items() if form in content]


def main() -> int:
    """Runs the search."""
    number, name, *files = sys.argv[1:]
    wanted = forms(number, name)
    blind = [what for what, form in wanted.items() if what not in hits(b"before" + form + b"after", wanted)]
    if blind or not files:
        print(f"the search does not work: {blind or 'no files'}")
        return 1
    found = [(file, what) for file in files for what in hits(Path(file).read_bytes(), wanted)]
    for file, what in found:
        print(f"FOUND in {file}: {what}")
    if not found:
        size = sum(Path(file).stat().st_size for file in files)
        print(f"nothing in {len(files)} files, {size} bytes, in any of {len(wanted)} forms")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
