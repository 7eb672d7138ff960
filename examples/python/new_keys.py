"""New keys for a vault, while others go on using it.

    python new_keys.py VAULT ROOT

VAULT is a URL such as sqlite:cards.db, ROOT its root key. Makes a new epoch, seals every row under it,
destroys the older epochs, and changes the index key. Stop it when you like: run again, it goes on.
"""

import sys

import panseal


def tell(done: int, total: int) -> None:
    """Say how far it is."""
    print(f"\r{done} of {total} rows", end="", flush=True)


def new_keys(vault: panseal.Vault) -> None:
    """All steps; tokens stay what they are."""
    newest = vault.rotate()
    rewrapped = vault.rewrap(progress=tell)
    print(f"\n{rewrapped.sealed} rows sealed under epoch {newest}")
    for epoch in vault.status().epochs:
        if epoch.state == "decrypt-only":
            vault.destroy(epoch.id)
            print(f"epoch {epoch.id} destroyed")
    reindexed = vault.change_index(progress=tell)
    print(f"\nindex key {reindexed.generation}")
    for row in rewrapped.damaged + reindexed.damaged:
        print(f"damaged: {row}")
    print(f"remember generation {vault.status().generation}: an older copy of the vault can be told by it")


def main() -> int:
    """Open the vault; say in a line what went wrong."""
    if len(sys.argv) != 3:
        print(f"usage: {sys.argv[0]} sqlite:PATH file:PATH", file=sys.stderr)
        return 2
    try:
        with panseal.Vault.open(sys.argv[1], root=sys.argv[2], create=False, actor="new_keys.py") as vault:
            new_keys(vault)
    except panseal.PansealError as error:
        print(f"{error} [{error.code}]", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
