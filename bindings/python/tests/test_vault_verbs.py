"""The vault's verbs beyond tokenize, lookup, detokenize and deactivate, on every store."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import postgres_server
import pytest
from conftest import NOW, Place, random_visa
from hypothesis import given, settings
from hypothesis import strategies as st

import panseal

VISA = "4242424242424242"
MASTERCARD = "5555555555554444"
WRONG = "4242424242424241"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    binaries = postgres_server.programs()
    if binaries is None:
        pytest.skip("no PostgreSQL here")
    with postgres_server.server(binaries) as url:
        yield url


def fresh_database(url: str) -> str:
    """The same server, with tables of the test's own."""
    name = f"t{os.urandom(8).hex()}"
    server, binaries = url.rpartition("/")[0], postgres_server.programs()
    assert binaries is not None
    subprocess.run(
        [binaries / "psql", "-q", url, "-c", f"create database {name}"], check=True, capture_output=True
    )
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def store(request: pytest.FixtureRequest, place: Place) -> Iterator[panseal.Vault]:
    urls: dict[str, Callable[[], str]] = {
        "sqlite": lambda: place.url,
        "memory": lambda: "memory:",
        "postgres": lambda: fresh_database(request.getfixturevalue("postgres")),
    }
    url = urls[request.param]()
    with panseal.Vault.open(url, root=place.root, actor="tests") as vault:
        assert vault.status().store == request.param
        yield vault


def code_of(verb: Callable[[], object], kind: type[panseal.PansealError] = panseal.PansealError) -> str:
    with pytest.raises(kind) as caught:
        verb()
    return caught.value.code


# Storing


def test_a_card_that_is_here_gets_its_token_of_before_where_that_is_asked_for(store: panseal.Vault) -> None:
    first = store.tokenize(VISA, customer="c-1", expiry="12/29", now=NOW)
    again = store.tokenize(VISA, customer="c-1", expiry="12/30", now=NOW, reuse="customer", scheme="random")
    assert (again.token, again.reused, again.expiry_year) == (first.token, True, 2030)
    assert store.tokenize(VISA, customer="c-3", reuse="merchant").token == first.token
    assert store.tokenize(VISA, customer="c-1").token != first.token
    assert not store.tokenize(VISA, customer="c-2", reuse="customer").reused
    assert code_of(lambda: store.tokenize(VISA, reuse="customer"), panseal.ArgumentError) == "argument"
    assert code_of(lambda: store.tokenize(VISA, reuse="x"), panseal.ArgumentError) == "argument"  # type: ignore[arg-type]


def test_an_idempotency_key_gives_the_first_result_back(store: panseal.Vault) -> None:
    first = store.tokenize(VISA, idempotency_key="k-1")
    again = store.tokenize(VISA, idempotency_key="k-1")
    assert (again.token, again.reused) == (first.token, True)
    assert (
        code_of(lambda: store.tokenize(MASTERCARD, idempotency_key="k-1"), panseal.VaultError) == "conflict"
    )
    assert store.count() == 1


def test_the_token_scheme_can_be_chosen_for_a_call(store: panseal.Vault) -> None:
    token = store.tokenize(VISA, scheme="surrogate:6+4").token
    assert len(token) == 16
    assert token.startswith("424242")
    assert token.endswith("4242")
    assert not panseal.check(token).ok
    assert len(store.tokenize(VISA, scheme="random:uuid").token) == 36
    assert code_of(lambda: store.tokenize(VISA, scheme="siv"), panseal.ArgumentError) == "argument"


def test_metadata_comes_back_and_holds_no_card_number(store: panseal.Vault) -> None:
    metadata = {"order": "7", "žlica": [1, None, True, {"a": 1.5}]}
    token = store.tokenize(VISA, name="ADA BYRON", metadata=metadata).token
    details = store.details(token)
    assert (details.name, details.metadata, details.instrument.token) == ("ADA BYRON", metadata, token)
    assert repr(details) == "<panseal.Details>"
    plain = store.details(store.tokenize(VISA).token)
    assert (plain.name, plain.metadata, plain.metadata_json) == ("", None, "")
    given_as_text = store.tokenize(VISA, metadata=' {"a" : 1} ').token
    assert store.details(given_as_text).metadata_json == ' {"a" : 1} '
    for refused in ({"note": VISA}, json.dumps({"note": VISA}), {VISA: 1}, {"n": int(VISA)}, "[]", "{"):
        with pytest.raises(panseal.CardError) as caught:
            store.tokenize(VISA, metadata=refused)
        assert [fault.param for fault in caught.value.violations] == ["metadata"]
    with pytest.raises(TypeError):
        store.tokenize(VISA, metadata=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.tokenize(VISA, metadata={"at": datetime.now(UTC)})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9999, 9999)
    | st.text(st.characters(categories=["L"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(categories=["L"]), min_size=1, max_size=8), json_values, max_size=16
    )
)
def test_any_small_object_is_metadata(metadata: dict[str, Any]) -> None:
    with memory() as vault:
        assert vault.details(vault.tokenize(VISA, metadata=metadata).token).metadata == metadata


def memory() -> panseal.Vault:
    """A vault in memory, with a root key that is not a secret."""
    keys = (lambda _id, _context, key: bytes(key), lambda _id, _context, wrapped: wrapped)
    return panseal.Vault.open("memory:", root=keys)


def test_what_is_kept_until_a_time_is_purged_then(store: panseal.Vault) -> None:
    now = datetime.now(UTC)
    over = store.tokenize(VISA, keep_until=now - timedelta(days=1))
    later = store.tokenize(MASTERCARD, keep_until=now + timedelta(days=1))
    store.tokenize(VISA, keep_until=1)
    assert later.keep_until is not None
    assert abs(later.keep_until - now - timedelta(days=1)) < timedelta(seconds=2)
    purged = store.purge_expired()
    assert (purged.instruments, purged.cards) == (2, 1)
    assert code_of(lambda: store.lookup(over.token), panseal.TokenError) == "token"
    assert store.lookup(later.token).active
    assert code_of(lambda: store.tokenize(VISA, keep_until=-1), panseal.ArgumentError) == "argument"
    naive = datetime(2030, 1, 1)
    assert code_of(lambda: store.tokenize(VISA, keep_until=naive), panseal.ArgumentError) == "argument"
    assert store.tokenize(VISA, keep_until=2**63 - 1).keep_until == datetime(
        9999, 12, 31, 23, 59, 59, tzinfo=UTC
    )


def test_a_customer_has_no_more_tokens_than_allowed(store: panseal.Vault) -> None:
    limited = {"customer": "c-1", "customer_limit": 1}
    assert code_of(lambda: store.tokenize(VISA, **limited), panseal.ArgumentError) == "argument"  # type: ignore[arg-type]
    store.create_customer("c-1")
    token = store.tokenize(VISA, customer="c-1", customer_limit=1).token
    assert code_of(lambda: store.tokenize(VISA, customer="c-1", customer_limit=1)) == "limit"
    store.deactivate(token)
    assert store.tokenize(VISA, customer="c-1", customer_limit=1).active


# Batches


def test_a_batch_has_an_outcome_for_each_card(store: panseal.Vault) -> None:
    outcomes = store.tokenize_many(
        [
            {"number": VISA, "expiry": "12/30", "now": NOW, "customer": "c-1", "metadata": {"order": "7"}},
            {"number": WRONG, "cvv": "12"},
            {"number": MASTERCARD.encode(), "idempotency_key": "k-1", "scheme": None},
            {"number": VISA, "customer": "c-1", "reuse": "customer"},
            {"number": VISA, "idempotency_key": "k-1"},
            {"number": VISA, "reuse": "x"},
        ]
    )
    first, wrong, second, reused, conflict, unknown = outcomes
    assert isinstance(first, panseal.Instrument)
    assert isinstance(second, panseal.Instrument)
    assert isinstance(reused, panseal.Instrument)
    assert isinstance(wrong, panseal.CardError)
    assert isinstance(conflict, panseal.VaultError)
    assert isinstance(unknown, panseal.ArgumentError)
    assert [(fault.param, fault.code) for fault in wrong.violations] == [
        ("number", "luhn"),
        ("cvv", "length"),
    ]
    assert (first.expiry_year, second.network, conflict.code) == (2030, "MASTERCARD", "conflict")
    assert (reused.token, reused.reused) == (first.token, True)
    assert store.count() == 2
    assert store.details(first.token).metadata == {"order": "7"}
    assert store.tokenize_many([]) == []


def test_a_batch_of_wrong_types_has_no_effect(vault: panseal.Vault) -> None:
    good = {"number": VISA}
    wrong_rows: list[Any] = [
        7,
        VISA,
        {},
        {"number": 7},
        {"number": VISA, "pan": VISA},
        {"number": VISA, 7: 1},
        {"number": VISA, "customer": 7},
        {"expiry": "1/30"},
    ]
    for wrong in wrong_rows:
        with pytest.raises(TypeError) as caught:
            vault.tokenize_many([good, wrong])
        assert VISA not in str(caught.value)
    with pytest.raises(TypeError):
        vault.tokenize_many(7)  # type: ignore[arg-type]
    both = {"number": VISA, "expiry": "12/30", "expiry_month": 12}
    with pytest.raises(TypeError, match="pass either"):
        vault.tokenize_many([good, both])
    assert code_of(lambda: vault.tokenize_many([good] * 10_001)) == "limit"
    assert vault.count() == 0


def test_a_batch_wipes_the_cards_that_say_so(vault: panseal.Vault) -> None:
    numbers = [bytearray(VISA.encode()) for _ in range(3)]
    wipe: list[dict[str, Any]] = [
        {"number": numbers[0], "wipe": True},
        {"number": numbers[1]},
        {"number": numbers[2], "wipe": True},
    ]
    vault.tokenize_many(wipe)
    assert [bool(any(number)) for number in numbers] == [False, True, False]
    with pytest.raises(TypeError, match="writable"):
        vault.tokenize_many([{"number": numbers[1], "wipe": True}, {"number": VISA, "wipe": True}])
    assert any(numbers[1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([VISA, MASTERCARD, WRONG, "x", "378282246310005"]), max_size=12))
def test_a_batch_does_what_its_cards_one_by_one_do(numbers: list[str]) -> None:
    def seen(outcome: panseal.Instrument | panseal.PansealError) -> tuple[str, str]:
        if isinstance(outcome, panseal.Instrument):
            return outcome.masked, outcome.network
        return type(outcome).__name__, outcome.code

    def one(vault: panseal.Vault, number: str) -> panseal.Instrument | panseal.PansealError:
        try:
            return vault.tokenize(number)
        except panseal.PansealError as error:
            return error

    with memory() as vault:
        many = vault.tokenize_many([{"number": number} for number in numbers])
        assert [seen(outcome) for outcome in many] == [seen(one(vault, number)) for number in numbers]


# Reading


def test_all_are_listed_in_pages_and_gone_through(store: panseal.Vault) -> None:
    made = [store.tokenize(random_visa(), customer=f"c-{i % 2}").token for i in range(11)]
    store.deactivate(made[0])
    tokens = [card.token for card in store.iter()]
    assert tokens == sorted(made)
    pages = []
    after = None
    while page := store.list(after=after, limit=3):
        pages += [card.token for card in page]
        after = page[-1].token
    assert pages == tokens
    assert [card.token for card in store.list(offset=9)] == tokens[9:]
    assert [card.token for card in store.list(active=False)] == made[:1]
    assert store.count(customer="c-1") == len(list(store.iter(customer="c-1"))) == 5
    assert store.count(active=True) == len(list(store.iter(active=True))) == 10
    assert store.list(customer="") == []
    for wrong in ({"limit": 1001}, {"offset": 10_001}):
        assert code_of(lambda wrong=wrong: store.list(**wrong)) == "limit"  # type: ignore[misc]
    assert code_of(lambda: store.list(limit=0), panseal.ArgumentError) == "argument"


def test_going_through_all_reads_more_than_a_page(vault: panseal.Vault) -> None:
    vault.tokenize_many([{"number": VISA}] * 1001)
    tokens = [card.token for card in vault.iter()]
    assert len(tokens) == 1001
    assert all(one < other for one, other in pairwise(tokens))
    walk = vault.iter()
    next(walk)
    vault.close()
    assert len([next(walk) for _ in range(499)]) == 499
    assert code_of(lambda: next(walk), panseal.VaultError) == "handle"


def test_a_card_is_found_by_its_number(store: panseal.Vault) -> None:
    tokens = {store.tokenize(VISA).token for _ in range(3)}
    number = bytearray(b"4242-4242-4242-4242")
    assert {card.token for card in store.find(number, wipe=True)} == tokens
    assert not any(number)
    assert store.find(MASTERCARD) == []
    with pytest.raises(panseal.CardError) as caught:
        store.find("4242")
    assert caught.value.violations[0].code == "length"
    with pytest.raises(TypeError, match="writable"):
        store.find(VISA, wipe=True)


# Changing


def test_an_instrument_is_changed_in_what_is_given(store: panseal.Vault) -> None:
    token = store.tokenize(
        VISA, expiry="12/29", name="ADA BYRON", customer="c-1", metadata={"a": 1}, now=NOW
    ).token
    changed = store.update(token, expiry="11/31")
    assert (changed.expiry_month, changed.expiry_year, changed.customer) == (11, 2031, "c-1")
    assert (store.details(token).name, store.details(token).metadata) == ("ADA BYRON", {"a": 1})
    changed = store.update(
        token,
        expiry_month=1,
        expiry_year=32,
        name=b"GRACE HOPPER",
        customer="c-2",
        metadata={"b": 2},
        keep_until=9,
    )
    assert (changed.expiry_year, changed.customer) == (2032, "c-2")
    assert changed.keep_until == datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)
    assert (store.details(token).name, store.details(token).metadata) == ("GRACE HOPPER", {"b": 2})
    changed = store.update(token, name="", customer="", metadata="", keep_until=0)
    assert (changed.customer, changed.keep_until) == ("", None)
    assert (store.details(token).name, store.details(token).metadata) == ("", None)
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"expiry": "13/30"}, "expiry"),
        ({"expiry_month": 12}, "expiry"),
        ({"name": VISA}, "name"),
        ({"name": "A" * 500}, "name"),
        ({"metadata": {"pan": VISA}}, "metadata"),
    ]
    for change, param in refusals:
        with pytest.raises(panseal.CardError) as caught:
            store.update(token, **change)
        assert [fault.param for fault in caught.value.violations] == [param]
    assert code_of(lambda: store.update("x", name="ADA"), panseal.TokenError) == "token"


def test_a_token_is_taken_out_of_use_put_back_and_removed(store: panseal.Vault) -> None:
    token = store.tokenize(VISA).token
    store.deactivate(token)
    store.reactivate(token)
    store.reactivate(token)
    with store.detokenize(token, reason="test") as pan:
        assert pan.reveal() == VISA
    store.delete(token)
    for verb in (store.lookup, store.delete, store.reactivate, store.details):
        assert code_of(lambda verb=verb: verb(token), panseal.TokenError) == "token"  # type: ignore[misc]
    assert store.status().cards == 0


def test_customers_are_kept(store: panseal.Vault) -> None:
    made = store.create_customer("c-1", reference="r-1", data="žlica")
    assert (made.id, made.reference, made.data, made.deleted_at) == ("c-1", "r-1", "žlica", None)
    assert repr(made) == "<panseal.Customer>"
    assert code_of(lambda: store.create_customer("c-1"), panseal.VaultError) == "conflict"
    assert code_of(lambda: store.create_customer("c-2", reference="r-1"), panseal.VaultError) == "conflict"
    assert code_of(lambda: store.create_customer("c-2", data=VISA), panseal.CardError) == "card"
    store.create_customer("c-2")
    assert [customer.id for customer in store.customers()] == ["c-1", "c-2"]
    assert [customer.id for customer in store.customers(after="c-1", limit=1)] == ["c-2"]
    assert store.update_customer("c-1", "new").data == "new"
    found = store.customer_by_reference("r-1")
    assert found is not None
    assert found.data == "new"
    assert store.mark_customer_deleted("c-1").deleted_at is not None
    assert store.mark_customer_deleted("c-1", deleted=False).deleted_at is None
    store.delete_customer("c-1")
    assert store.customer("c-1") is None
    assert store.customer_by_reference("r-1") is None
    assert code_of(lambda: store.update_customer("c-1", ""), panseal.TokenError) == "token"


# Keys


def test_keys_have_a_life(store: panseal.Vault, place: Place) -> None:
    token = store.tokenize(VISA, name="ADA BYRON").token
    assert store.rotate() == 2
    assert code_of(lambda: store.destroy(1), panseal.KeyringError) == "epoch"
    told: list[tuple[int, int]] = []
    assert store.rewrap(progress=lambda done, total: told.append((done, total))).sealed == 2
    assert told[-1] == (2, 2)
    store.destroy(1)
    status = store.status()
    assert [(epoch.id, epoch.state, epoch.cards) for epoch in status.epochs] == [
        (1, "destroyed", 0),
        (2, "active", 1),
    ]
    assert (status.cards, status.instruments, status.generation) == (1, 1, 3)
    assert store.change_index().generation == 2
    assert [key.state for key in store.status().index] == ["destroyed", "active"]
    panseal.create_root_key(f"file:{place.folder}/new.root")
    store.change_root(f"file:{place.folder}/new.root")
    assert store.rotate() == 3
    assert [card.token for card in store.find(VISA)] == [token]
    assert store.details(token).name == "ADA BYRON"


def flip_a_bit(place: Place, table: str, column: str) -> None:
    """Damage one row of a table, as a bad sector does."""
    ((sealed,),) = place.sql(f"select {column} from {table} limit 1")
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    place.edit(
        f"update {table} set {column} = :flipped where {column} = :sealed", flipped=flipped, sealed=sealed
    )


def test_damaged_rows_are_named_and_stop_no_other(place: Place) -> None:
    store = place.open()
    tokens = {store.tokenize(VISA).token for _ in range(2)}
    store.create_customer("c-1", data="old")
    store.create_customer("c-2", data="old")
    flip_a_bit(place, "instrument", "sealed")
    flip_a_bit(place, "customer", "sealed")
    shown = store.find(VISA)
    assert {card.token for card in shown} == tokens
    assert sorted(card.damaged for card in shown) == [False, True]
    assert [(one.id, one.damaged, one.data) for one in store.customers()] == [
        ("c-1", True, ""),
        ("c-2", False, "old"),
    ]
    bad = next(card.token for card in shown if card.damaged)
    store.rotate()
    rewrapped = store.rewrap()
    assert rewrapped.sealed == 3
    assert [(row.kind, row.id) for row in rewrapped.damaged] == [("instrument", bad), ("customer", "c-1")]
    assert [row.id for row in store.destroy(1, even_if_damaged=True)] == [bad, "c-1"]
    assert store.change_index().damaged == []
    flip_a_bit(place, "card", "pan")
    reindexed = store.change_index()
    assert (reindexed.generation, [row.kind for row in reindexed.damaged]) == (3, ["card"])


def test_an_older_vault_is_refused(place: Place) -> None:
    with place.open() as vault:
        vault.rotate()
        generation = vault.status().generation
    place.open(min_generation=generation).close()
    assert code_of(lambda: place.open(min_generation=generation + 1), panseal.VaultError) == "tampered"


def test_progress_can_stop_a_long_call_and_what_it_raises_comes_out(store: panseal.Vault) -> None:
    store.tokenize(VISA)
    store.rotate()

    class Enough(BaseException):
        pass

    def raising(_done: int, _total: int) -> None:
        raise Enough

    for verb in (store.rewrap, store.change_index):
        with pytest.raises(Enough):
            verb(progress=raising)
        with pytest.raises(panseal.PansealError) as caught:
            verb(progress=lambda _done, _total: False)
        assert (caught.value.code, caught.value.__cause__) == ("callback", None)
        with pytest.raises(TypeError):
            verb(progress=7)  # type: ignore[arg-type]
        assert verb().damaged == []


# Audit and guard


def test_the_audit_trail_is_read_in_pages(store: panseal.Vault) -> None:
    token = store.tokenize(VISA).token
    store.detokenize(token, reason="refund 7", actor="till-3").wipe()
    store.tokenize(MASTERCARD)
    lines = store.audit(token=token)
    assert [(line.action, line.actor, line.reason) for line in lines] == [
        ("tokenize", "tests", ""),
        ("detokenize", "till-3", "refund 7"),
    ]
    assert abs(lines[0].at - datetime.now(UTC)) < timedelta(minutes=1)
    everything = store.audit()
    assert [line.id for line in everything] == sorted(line.id for line in everything)
    assert [line.id for line in store.audit(after=everything[0].id, limit=1)] == [everything[1].id]
    assert code_of(lambda: store.audit(after=b"x"), panseal.ArgumentError) == "argument"
    assert code_of(lambda: store.audit(limit=1001)) == "limit"


def test_the_audit_trail_is_checked_and_pruned(store: panseal.Vault) -> None:
    token = store.tokenize(VISA).token
    head = store.status().audit_head
    store.detokenize(token, reason="refund 7").wipe()
    report = store.verify_audit(head)
    assert (report.fault, report.joined, report.unjoined, report.pruned) == (None, 2, 0, 0)
    fault = store.verify_audit(bytes(32)).fault
    assert fault is not None
    assert (fault.kind, fault.table, fault.id) == ("cut", "audit_main", None)
    assert code_of(lambda: store.verify_audit(b"x"), panseal.ArgumentError) == "argument"
    first = store.audit()[0].id
    assert store.prune_audit(0) == 0
    assert store.prune_audit(datetime.now(UTC) + timedelta(days=1)) == 2
    assert [line.action for line in store.audit()] == ["prune"]
    assert code_of(lambda: store.audit(after=first)) == "conflict"
    assert store.verify_audit(head).pruned == 2


def test_a_guard_sees_every_operation_and_may_refuse_it(store: panseal.Vault) -> None:
    seen: list[tuple[str, str, str, int]] = []

    def guard(merchant: str, actor: str, kind: str, count: int) -> bool:
        seen.append((merchant, actor, kind, count))
        return kind != "find"

    store.set_guard(guard)
    token = store.tokenize(VISA).token
    store.tokenize_many([{"number": VISA}] * 3)
    with store.merchant("m2") as second:
        second.count()
        assert code_of(lambda: second.find(VISA)) == "callback"
    assert seen == [
        ("", "tests", "tokenize", 1),
        ("", "tests", "tokenize", 3),
        ("m2", "tests", "list", 0),
        ("m2", "tests", "find", 1),
    ]

    class TooManyError(Exception):
        pass

    def raising(*_operation: object) -> bool:
        raise TooManyError

    store.set_guard(raising)
    for verb in (store.lookup, store.delete):
        with pytest.raises(TooManyError):
            verb(token)
    with pytest.raises(TooManyError):
        store.tokenize_many([{"number": VISA}])
    store.set_guard(lambda *_operation: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="True or False"):
        store.lookup(token)
    with pytest.raises(TypeError):
        store.set_guard(7)  # type: ignore[arg-type]
    store.set_guard(None)
    assert store.lookup(token).active
    assert store.count() == 4


def test_a_guard_may_use_the_vault_and_other_threads_go_on(vault: panseal.Vault) -> None:
    token = vault.tokenize(VISA).token
    asked = threading.Event()
    inside = threading.local()

    def guard(_merchant: str, _actor: str, _kind: str, _count: int) -> bool:
        if not getattr(inside, "yes", False):
            inside.yes = True
            asked.set()
            assert vault.lookup(token).active
            inside.yes = False
        return True

    vault.set_guard(guard)
    threads = [threading.Thread(target=vault.tokenize, args=(VISA,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert asked.is_set()
    vault.set_guard(None)
    assert vault.count() == 9


def test_a_closed_vault_has_no_verbs(place: Place) -> None:
    vault = place.open()
    vault.close()
    verbs: list[Callable[[], object]] = [
        lambda: vault.tokenize_many([{"number": VISA}]),
        vault.list,
        vault.count,
        lambda: next(vault.iter()),
        lambda: vault.find(VISA),
        lambda: vault.details("x"),
        lambda: vault.update("x"),
        lambda: vault.delete("x"),
        vault.purge_expired,
        lambda: vault.customer("x"),
        vault.customers,
        vault.rotate,
        vault.rewrap,
        vault.change_index,
        vault.status,
        vault.audit,
        vault.verify_audit,
        lambda: vault.prune_audit(0),
        lambda: vault.set_guard(None),
    ]
    for verb in verbs:
        assert code_of(verb, panseal.VaultError) == "handle"
