"""How the programs of this folder say what they have found: a line each, which `run.py` counts."""

from collections.abc import Callable


def expect(what: str, found: object, wanted: object = True) -> None:
    """Say whether a promise holds."""
    if found == wanted:
        print(f"ok     {what}", flush=True)
    else:
        print(f"FAILED {what}: {found!r}, not {wanted!r}", flush=True)


def raised(kind: type[BaseException], call: Callable[[], object]) -> BaseException | None:
    """The exception of that kind that a call raises; None where it raises none."""
    try:
        call()
    except kind as error:
        return error
    return None
