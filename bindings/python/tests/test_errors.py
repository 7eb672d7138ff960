"""Bad input: what is raised, and that nothing of the input is in it."""

import gc
import pickle
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Place, random_visa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import panseal

VISA = "4242424242424242"
LONE_SURROGATE = "\ud800"


@contextmanager
def refusal(kind: type[panseal.PansealError], code: str, system: int | None = None) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    error = caught.value
    assert type(error) is kind
    assert error.code == code
    if system is not None:
        assert error.system == system


# The exceptions


def test_exceptions_are_also_what_python_programs_expect() -> None:
    assert issubclass(panseal.CardError, ValueError)
    assert issubclass(panseal.ArgumentError, ValueError)
    assert issubclass(panseal.TokenError, LookupError)
    assert issubclass(panseal.BusyError, panseal.VaultError)
    kinds = [kind for kind in vars(panseal.errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, panseal.PansealError) for kind in kinds)


def test_an_exception_has_code_status_and_system(vault: panseal.Vault) -> None:
    with pytest.raises(panseal.TokenError) as caught:
        vault.lookup("unknown")
    error = caught.value
    assert (error.code, error.status, error.system) == ("token", 200, 0)
    assert error.args == ("no such token",)


def test_an_exception_crosses_processes(vault: panseal.Vault) -> None:
    with pytest.raises(panseal.CardError) as caught:
        vault.tokenize("4242424242424241", cvv="1")
    error = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(error, panseal.CardError)
    assert (error.code, error.status) == ("card", 100)
    assert error.violations == (panseal.Violation("number", "luhn"), panseal.Violation("cvv", "length"))
    assert str(error) == str(caught.value)
    assert str(error).startswith("the card was refused: number fails the Luhn check, cvv has a length")


def test_an_exception_that_a_program_makes_has_its_attributes_too() -> None:
    error = panseal.CardError("mine")
    assert (error.code, error.status, error.system, error.violations) == ("internal", 999, 0, ())


# Arguments of the wrong type

NO_TEXTS: list[Any] = [
    4242424242424242,
    4242424242424242.0,
    True,
    object(),
    ["4242"],
    {"number": "4242"},
    memoryview(bytearray(32))[::2],
    memoryview(bytes(16)).cast("B", (4, 4)),
    memoryview(bytes(16)).cast("H"),
    memoryview(bytes(16)).cast("I"),
]


@pytest.mark.parametrize("value", NO_TEXTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("field", ["number", "expiry", "cvv", "name", "postal_code"])
def test_card_data_is_text(vault: panseal.Vault, field: str, value: Any) -> None:
    fields = {"number": VISA, field: value}
    for verb in (panseal.check, vault.tokenize):
        with pytest.raises(TypeError, match="expected str, bytes") as caught:
            verb(**fields)
        assert caught.value.__notes__ == [f"while processing '{field}'"]


@pytest.mark.parametrize("verb", [panseal.check, panseal.mask])
def test_a_number_cannot_be_none(verb: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="expected str"):
        verb(None)


@pytest.mark.parametrize(
    "fields",
    [
        {"expiry_month": "12"},
        {"expiry_year": 2030.0},
        {"expiry_month": "4242424242424242"},
        {"strict": 1},
        {"need_cvv": "no"},
        {"wipe": 1},
        {"now": "now"},
        {"now": 1.5},
        {"track": "x"},
    ],
    ids=str,
)
def test_other_arguments_of_the_wrong_type_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as caught:
        panseal.check(VISA, **fields)
    assert VISA not in repr(caught.value)


def test_card_data_is_never_positional() -> None:
    check: Any = panseal.check
    with pytest.raises(TypeError):
        check(VISA, 12, 2030)
    with pytest.raises(TypeError):
        check()


@pytest.mark.parametrize("value", [None, 7, 1.5, object(), ["x"]], ids=repr)
def test_a_token_is_text(vault: panseal.Vault, value: Any) -> None:
    for verb in (vault.lookup, vault.deactivate):
        with pytest.raises(TypeError, match="expected str, bytes"):
            verb(value)
    with pytest.raises(TypeError):
        vault.detokenize(value, reason="test")


@pytest.mark.parametrize("value", [None, 7, b"x", Path("x")], ids=repr)
def test_names_are_str(place: Place, vault: panseal.Vault, value: Any) -> None:
    token = vault.tokenize(VISA).token
    calls: list[Callable[[], object]] = [
        lambda: panseal.create_root_key(value),
        lambda: panseal.Vault.open(value, root=place.root),
        *(
            lambda option=option: place.open(**{option: value})
            for option in ("root", "merchant", "actor", "scheme")
        ),
        lambda: vault.merchant(value),
        lambda: vault.tokenize(VISA, customer=value),
        lambda: vault.detokenize(token, reason=value),
        lambda: vault.detokenize(token, reason="test", actor=value),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


# Arguments out of range


@pytest.mark.parametrize(
    ("text", "code"), [(LONE_SURROGATE, "utf8"), ("x" * 5000, "argument"), ("a\nb", "argument")]
)
def test_names_have_their_form(place: Place, vault: panseal.Vault, text: str, code: str) -> None:
    token = vault.tokenize(VISA).token
    calls: list[Callable[[], object]] = [
        *(lambda option=option: place.open(**{option: text}) for option in ("merchant", "actor", "scheme")),
        lambda: vault.merchant(text),
        lambda: vault.tokenize(VISA, customer=text),
        lambda: vault.detokenize(token, reason=text),
        lambda: vault.detokenize(token, reason="test", actor=text),
    ]
    for call in calls:
        with refusal(panseal.ArgumentError, code):
            call()


def test_names_have_limits_in_bytes(vault: panseal.Vault) -> None:
    vault.merchant("m" * 64).close()
    token = vault.tokenize(VISA, customer="é" * 32).token
    vault.detokenize(token, reason="r" * 256, actor="a" * 64).wipe()
    for call in (
        lambda: vault.merchant("m" * 65),
        lambda: vault.tokenize(VISA, customer="é" * 33),
        lambda: vault.detokenize(token, reason="r" * 257),
        lambda: vault.detokenize(token, reason="test", actor="a" * 65),
        lambda: vault.detokenize(token, reason=""),
    ):
        with refusal(panseal.ArgumentError, "argument"):
            call()


@pytest.mark.parametrize("url", ["", "cards.db", "sqlite", "sqlite:", "sqlite:a\0b", "mysql:x", "postgres:x"])
def test_a_url_has_a_known_form(place: Place, url: str) -> None:
    with refusal(panseal.ArgumentError, "argument"):
        panseal.Vault.open(url, root=place.root)


@pytest.mark.parametrize("root", ["", "cards.root", "file:", "file:a\0b", "vault:x"])
def test_a_root_key_has_a_known_form(place: Place, root: str) -> None:
    with refusal(panseal.ArgumentError, "argument"):
        place.open(root=root)
    with refusal(panseal.ArgumentError, "argument"):
        panseal.create_root_key(root)
    assert not place.file.exists()


@pytest.mark.parametrize("option", [{"scheme": "ff1"}, {"scheme": ""}, {"scheme": "Random"}])
def test_an_unknown_scheme_is_refused_and_no_file_made(place: Place, option: dict[str, Any]) -> None:
    with refusal(panseal.ArgumentError, "argument"):
        place.open(**option)
    assert not place.file.exists()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), float("-inf"), 1e300])
def test_a_wait_is_a_number_of_seconds(place: Place, seconds: float) -> None:
    with refusal(panseal.ArgumentError, "argument"):
        place.open(busy_timeout=seconds)


@pytest.mark.parametrize("seconds", [0, 0.001, 1e9])
def test_a_wait_may_be_short_or_long(place: Place, seconds: float) -> None:
    place.open(busy_timeout=seconds).close()


# Cards


def test_a_refused_card_is_not_stored(vault: panseal.Vault, place: Place) -> None:
    with pytest.raises(panseal.CardError) as caught:
        vault.tokenize("4242424242424241", expiry="13/30", cvv="x", name="7", postal_code="x")
    assert [(row.param, row.code) for row in caught.value.violations] == [
        ("number", "luhn"),
        ("expiry", "malformed"),
        ("cvv", "charset"),
        ("name", "malformed"),
        ("postal_code", "malformed"),
    ]
    for table in ("card", "card_fp", "instrument", "audit"):
        assert place.sql(f"select count(*) from {table}") == [(0,)]


@pytest.mark.parametrize("number", ["", b"", "x", b"\xff", LONE_SURROGATE, "4" * 5_000_000, b"4" * 5_000_000])
def test_a_number_that_is_none_is_refused(vault: panseal.Vault, number: str | bytes) -> None:
    with refusal(panseal.CardError, "card"):
        vault.tokenize(number)


# Tokens


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "0" * 48,
        "0" * 64,
        "0" * 65,
        "0" * 5_000_000,
        " ",
        "a b",
        "\0",
        LONE_SURROGATE,
        b"\xff",
        VISA,
        "é",
    ],
    ids=lambda token: f"{type(token).__name__}-{len(token)}",
)
def test_unknown_and_malformed_tokens_give_one_answer(vault: panseal.Vault, token: str | bytes) -> None:
    vault.tokenize(VISA)
    answers = set()
    for verb in (vault.lookup, vault.deactivate, lambda token: vault.detokenize(token, reason="test")):
        with pytest.raises(panseal.TokenError) as caught:
            verb(token)
        answers.add((caught.value.args, caught.value.code, caught.value.system))
    assert answers == {(("no such token",), "token", 0)}


# Handles


def test_a_closed_vault_refuses_every_verb(place: Place) -> None:
    with place.open() as vault:
        token = vault.tokenize(VISA).token
    for call in (
        lambda: vault.tokenize(VISA),
        lambda: vault.lookup(token),
        lambda: vault.deactivate(token),
        lambda: vault.detokenize(token, reason="test"),
        lambda: vault.merchant("m2"),
    ):
        with refusal(panseal.VaultError, "handle"):
            call()


# Files


def unchanged(file: Path) -> Callable[[], bool]:
    """Whether a file and its neighbours are still what they are now."""
    state = {path: path.read_bytes() for path in file.parent.iterdir()}
    return lambda: {path: path.read_bytes() for path in file.parent.iterdir()} == state


@pytest.mark.parametrize(
    "content", [b"x", b"hello\n" * 1000, b"SQLite format 3\0", b"SQLite format 3\0" * 64]
)
def test_a_file_that_is_no_vault_is_left_as_it_is(place: Place, content: bytes) -> None:
    place.file.write_bytes(content)
    same = unchanged(place.file)
    for create in (True, False):
        with refusal(panseal.VaultError, "not_a_vault"):
            place.open(create=create)
    assert same()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_database_of_another_program_is_left_as_it_is(place: Place, mode: str) -> None:
    with closing(sqlite3.connect(place.file)) as database:
        database.execute(f"pragma journal_mode = {mode}")
        database.execute("create table card (id integer)")
        database.commit()
    same = unchanged(place.file)
    for create in (True, False):
        with refusal(panseal.VaultError, "not_a_vault"):
            place.open(create=create)
    assert same()


def test_where_there_is_no_vault_none_is_made_unless_asked(place: Place) -> None:
    with refusal(panseal.VaultError, "not_a_vault"):
        place.open(create=False)
    assert not place.file.exists()


def test_a_folder_is_no_vault_and_a_missing_one_is_not_made(place: Place) -> None:
    with refusal(panseal.VaultError, "not_a_vault"):
        panseal.Vault.open(f"sqlite:{place.folder}", root=place.root)
    with refusal(panseal.VaultError, "store", system=2):
        panseal.Vault.open(f"sqlite:{place.folder}/no/cards.db", root=place.root)


def test_a_vault_of_a_newer_version_is_refused(place: Place) -> None:
    place.open().close()
    place.sql("pragma user_version = 99")
    with refusal(panseal.VaultError, "schema_newer"):
        place.open()


def test_a_vault_cut_short_is_refused(place: Place) -> None:
    with place.open() as vault:
        token = vault.tokenize(VISA).token
    content = place.file.read_bytes()
    for size in (50, 100, 4096, len(content) // 2):
        place.file.write_bytes(content[:size])
        with pytest.raises(panseal.VaultError) as caught, place.open() as vault:
            vault.lookup(token)
        assert caught.value.code in ("not_a_vault", "store", "tampered")


def test_a_busy_database_is_told_after_the_wait(place: Place) -> None:
    hold = (
        f"import sqlite3; held = sqlite3.connect({str(place.file)!r}); held.execute('begin immediate');"
        "print('held', flush=True); input()"
    )
    with place.open(busy_timeout=0.05) as vault:
        with subprocess.Popen(
            [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with refusal(panseal.BusyError, "busy"):
                vault.tokenize(VISA)
            other.communicate("\n")
        vault.tokenize(VISA)


# Root keys

HEX = "00" * 32


@pytest.mark.parametrize(
    "content",
    ["", HEX[:-2], HEX + "00", "x" * 64, "=" * 44, "0" * 5000, "\0" * 32],
    ids=lambda text: str(len(text)),
)
def test_what_is_no_root_key_opens_nothing(place: Place, content: str) -> None:
    place.key.write_text(content)
    with refusal(panseal.KeyringError, "root_key"):
        place.open()
    assert not place.file.exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_root_key_that_others_can_read_opens_nothing(place: Place, mode: int) -> None:
    place.key.chmod(mode)
    with refusal(panseal.KeyringError, "root_key"):
        place.open()
    assert not place.file.exists()


def test_an_absent_root_key_opens_nothing(place: Place) -> None:
    place.key.unlink()
    with refusal(panseal.KeyringError, "root_key", system=2):
        place.open()
    assert not place.file.exists()
    with refusal(panseal.KeyringError, "root_key"):
        place.open(root=f"file:{place.folder}")


def test_another_vaults_root_key_opens_nothing(place: Place) -> None:
    with place.open() as vault:
        token = vault.tokenize(VISA).token
    other = f"file:{place.folder}/other.root"
    panseal.create_root_key(other)
    with refusal(panseal.KeyringError, "root_key"):
        place.open(root=other)
    with place.open() as vault:
        assert vault.lookup(token).last4 == "4242"


def test_a_root_key_is_never_overwritten(place: Place) -> None:
    content = place.key.read_bytes()
    with refusal(panseal.KeyringError, "root_key", system=17):
        panseal.create_root_key(place.root)
    assert place.key.read_bytes() == content
    with refusal(panseal.KeyringError, "root_key", system=2):
        panseal.create_root_key(f"file:{place.folder}/no/cards.root")


# Nothing of the input is in what is raised or shown


def said(error: BaseException) -> str:
    """All that a program, a log or an error tracker may show of an exception."""
    seen = [error, error.__cause__, error.__context__]
    parts = [
        (repr(part), str(part), part.args, vars(part), gc.get_referents(vars(part))) for part in seen if part
    ]
    error.__traceback__ = None
    return "".join(traceback.format_exception(error)) + repr(parts)


garbage = st.text(max_size=12) | st.text("0123456789- =^%?;/", max_size=12)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(before=garbage, after=garbage, as_bytes=st.booleans(), field=st.integers(0, 10))
@SLOW
def test_nothing_of_a_number_is_in_a_message(
    vault: panseal.Vault, place: Place, before: str, after: str, as_bytes: bool, field: int
) -> None:
    number = random_visa()
    text = before + number + after
    value: Any = text.encode("utf-8", "surrogatepass") if as_bytes else text
    wrong = "4242424242424241"
    call: Callable[[], object] = [
        lambda: vault.tokenize(value, cvv="x"),
        lambda: vault.tokenize(wrong, cvv=value),
        lambda: vault.tokenize(wrong, name=value),
        lambda: vault.tokenize(wrong, postal_code=value),
        lambda: vault.tokenize(wrong, expiry=value),
        lambda: vault.tokenize(wrong, expiry_month=value),
        lambda: vault.tokenize(wrong, customer=value),
        lambda: vault.lookup(value),
        lambda: vault.detokenize(value, reason=value),
        lambda: panseal.mask([value]),  # type: ignore[arg-type]
        lambda: place.open(scheme=value, merchant=value),
    ][field]
    with pytest.raises((panseal.PansealError, TypeError)) as caught:
        call()
    message = said(caught.value)
    for part in (number, number[:12], number[-12:]):
        assert part not in message


@given(before=garbage, after=garbage)
def test_nothing_of_a_number_but_ten_digits_is_in_a_report(before: str, after: str) -> None:
    number = random_visa()
    report = panseal.check(before + number + after, cvv=number, name=number, postal_code=number, now=NOW)
    shown = repr(report) + repr(report.violations)
    assert number[:7] not in shown
    assert number[-7:] not in shown


@pytest.mark.parametrize("value", [10**30, -(10**30), 4242424242424242])
def test_a_number_in_the_place_of_a_time_is_not_told(value: int) -> None:
    try:
        panseal.check(VISA, now=value)
    except OverflowError as raised:
        message = said(raised)
    else:
        message = ""
    assert str(value) not in message
