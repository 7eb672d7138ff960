"""A token in, what may be known of its card out.

    python tokenize.py VAULT ROOT TOKEN

VAULT is a URL such as sqlite:cards.db, ROOT a root key such as file:cards.root; both are there already, made
for instance by the C program of the same name. The card number is asked for with a reason, used, and wiped;
what is printed is masked.
"""

import sys

import panseal


def describe(card: panseal.Instrument) -> str:
    """Tell the card in a line."""
    expiry = f", valid to {card.expiry_month:02}/{card.expiry_year}" if card.expiry_month else ""
    return f"{card.network} {card.masked}{expiry}, of customer {card.customer or 'unknown'}"


def use_number(vault: panseal.Vault, token: str) -> str:
    """Take the number out of the vault as a payment would, and show it masked."""
    number = bytearray(19)
    with vault.detokenize(token, reason="example", actor="tokenize.py") as pan:
        length = pan.reveal_into(number)
    masked = panseal.mask(memoryview(number)[:length])
    number[:] = bytes(len(number))
    return masked


def main() -> int:
    """Run the steps; say in a line what went wrong."""
    if len(sys.argv) != 4:
        print(f"usage: {sys.argv[0]} sqlite:PATH file:PATH TOKEN", file=sys.stderr)
        return 2
    url, root, token = sys.argv[1:]
    try:
        with panseal.Vault.open(url, root=root, create=False) as vault:
            card = vault.lookup(token)
            print(f"found by its token: {describe(card)}")
            masked = use_number(vault, token)
            print(f"taken out for a payment, used and wiped: {masked}")
            print("the audit trail has who asked, when and why")
    except panseal.PansealError as error:
        print(f"{error} [{error.code}]", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
