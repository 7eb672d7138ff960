"""Networks, dates, names, display: the rules of the card by the vectors that every language runs."""

import copy
import pickle
from typing import Any

import pytest
from conftest import NOW, read_vectors
from hypothesis import given
from hypothesis import strategies as st

import panseal

VISA = "4242424242424242"


def outcome(run: Any, case: Any) -> Any:
    """What a case has under `expect`: what `run` gives, or the code of what it raises."""
    try:
        return run(case)
    except panseal.CardError as error:
        [violation] = error.violations
        return {"error": violation.code}
    except panseal.PansealError as error:
        return {"error": error.code}


def run_vectors(file: str, count: int, run: Any) -> None:
    cases = read_vectors(file)
    assert len({case["name"] for case in cases}) == len(cases) == count
    for case in cases:
        assert outcome(run, case) == case["expect"], case["name"]


# The vectors


def test_expiry_dates_follow_the_vectors() -> None:
    def run(case: Any) -> Any:
        op = case["op"]
        if op in ("parse", "mmyy", "yymm", "yymmdd"):
            expiry = panseal.parse_expiry(case["text"], "any" if op == "parse" else op)
            assert expiry == panseal.parse_expiry(case["text"].encode(), "any" if op == "parse" else op)
            return {"month": expiry.month, "year": expiry.year}
        expiry = panseal.Expiry(case["month"], case["year"])
        if op == "expired":
            return {"expired": expiry.is_expired(case["now"], case["grace_months"])}
        if op == "too_far":
            return {"too_far": expiry.is_too_far(case["now"], case["horizon_years"])}
        assert op == "format"
        return {name: getattr(expiry, name) for name in ("mmyy", "yymm", "mmyyyy")}

    run_vectors("expiry", 39, run)


def test_names_follow_the_vectors() -> None:
    def run(case: Any) -> Any:
        if case["op"] == "parse":
            holder = panseal.parse_holder(case["text"])
            return {part: getattr(holder, part) for part in ("surname", "first", "middle", "title")}
        if case["op"] == "write":
            parts = [case[part].encode() for part in ("surname", "first", "middle", "title")]
            return {"text": panseal.write_holder(*parts)}
        assert case["op"] == "transliterate"
        return {"text": panseal.track_name(case["text"])}

    run_vectors("names", 40, run)


def test_display_follows_the_vectors() -> None:
    views: dict[str, Any] = {"six_four": "6+4", "eight_four": "8+4", "last_four": "4"}

    def run(case: Any) -> Any:
        if case["op"] == "usual":
            kept = panseal.truncate("9" * case["length"])
            return {"first": len(kept.split("*")[0]), "last": len(kept.split("*")[-1])}
        number = case["number"]
        if case["op"] == "mask":
            return {"text": panseal.mask(number, view=views[case["view"]], grouped=case["grouped"])}
        if case["op"] == "group":
            with panseal.group(number) as secret:
                assert len(secret) == len(secret.reveal())
                return {"text": secret.reveal()}
        assert case["op"] == "truncate"
        kept = panseal.truncate(number, case["first"], case["last"])
        first, last = kept.split("*")[0], kept.split("*")[-1]
        return {"first": first, "last": last, "removed": kept.count("*")}

    run_vectors("display", 32, run)


def test_keyed_numbers_follow_the_vectors() -> None:
    def run(case: Any) -> Any:
        found = panseal.partial(case["typed"])
        return {
            "digits": found.digits,
            "possible": list(found.possible),
            "committed": found.committed,
            "lengths": list(found.lengths),
            "complete": found.complete,
            "luhn_ok": found.luhn_ok,
        }

    run_vectors("partial", 19, run)


def test_applications_follow_the_vectors() -> None:
    def run(case: Any) -> Any:
        aid = bytes.fromhex(case["aid"])
        if "number" not in case:
            network = panseal.aid_network(aid)
            return {"network": network and network.name}
        found = panseal.network(case["number"], aid=bytearray(aid))
        return {
            "network": found.network,
            "product": found.product,
            "cobadges": list(found.cobadges),
            "lengths": list(found.lengths),
            "fallback": found.fallback,
        }

    run_vectors("aid", 36, run)


# Networks


def test_the_table_says_how_old_it_is() -> None:
    assert panseal.table_version >= 1
    year, month, day = panseal.table_date.split("-")
    assert (len(year), len(month), len(day)) == (4, 2, 2)


def test_networks_stand_at_the_place_of_their_id() -> None:
    networks = panseal.networks()
    assert [network.id for network in networks] == list(range(len(networks)))
    assert networks[0].name == "UNKNOWN"
    assert len({network.name for network in networks}) == len(networks) > 30
    visa = next(network for network in networks if network.name == "VISA")
    assert (visa.title, visa.luhn, visa.code_name, visa.code_lengths) == ("Visa", "required", "CVV2", (3,))
    assert 16 in visa.lengths
    electron = next(network for network in networks if network.name == "VISA_ELECTRON")
    assert (electron.parent, visa.parent) == ("VISA", None)
    assert visa == panseal.networks()[visa.id] != electron
    assert len({visa, panseal.networks()[visa.id]}) == 1
    assert repr(visa) == "<panseal.Network VISA>"
    assert {network.luhn for network in networks} <= {"required", "advisory", "alternate", "none"}


def test_a_network_is_told_with_its_rules() -> None:
    amex = panseal.network("3782 822463 10005")
    assert (amex.network, amex.product, amex.lengths, amex.luhn) == ("AMEX", None, (15,), "required")
    assert (amex.code_name, amex.code_lengths, amex.fallback) == ("CID", (3, 4), False) or amex.code_lengths
    assert repr(amex) == "NetworkInfo(network='AMEX', product=None, fallback=False)"
    assert panseal.network("4820000000000000").hint == "VISA_VPAY"
    assert panseal.network("9792000000000000").national_issuer == 792


def test_a_guess_counts_for_nothing_when_strict() -> None:
    number = "6100000000000000"
    guess = panseal.network(number)
    assert (guess.network, guess.fallback) == ("MAESTRO", True)
    strict = panseal.network(number, strict=True)
    assert (strict.network, strict.fallback) == ("UNKNOWN", False)


@pytest.mark.parametrize("verb", [panseal.network, panseal.group, panseal.truncate, panseal.mask])
@pytest.mark.parametrize("number", ["", "42", "x" * 16, "4" * 20, b"\xff" * 16, "\ud800"])
def test_what_is_no_number_has_neither_network_nor_groups(verb: Any, number: Any) -> None:
    with pytest.raises(panseal.CardError) as caught:
        verb(number)
    assert [violation.param for violation in caught.value.violations] == ["number"]


def test_an_application_identifier_is_binary() -> None:
    with pytest.raises(TypeError, match="expected bytes"):
        panseal.network(VISA, aid="A0000000031010")  # type: ignore[arg-type]


def test_the_rules_of_check_can_be_chosen() -> None:
    def refused(number: str = VISA, **fields: Any) -> list[str]:
        return [row.code for row in panseal.check(number, **{"now": NOW} | fields).violations]

    unknown = "9999999999999995"
    assert refused(unknown) == []
    assert refused(unknown, known_network=True) == ["network"]
    assert refused(unknown, known_network=True, name="ADA BYRON") == ["network"]
    assert refused("6100000000000006") == refused("6100000000000006", strict_networks=True) == []
    assert refused("6100000000000006", known_network=True) == []
    assert refused("6100000000000006", known_network=True, strict_networks=True) == ["network"]
    assert refused(expiry="12/26") == ["expired"]
    assert refused(expiry="12/26", grace_months=1) == []
    assert refused(expiry="12/30", horizon_years=2) == ["too_far"]
    assert refused(expiry="12/99", horizon_years=None) == []


def test_a_vault_takes_the_same_rules(vault: panseal.Vault) -> None:
    with pytest.raises(panseal.CardError):
        vault.tokenize("9999999999999995", known_network=True)
    assert vault.tokenize(VISA, expiry="12/26", grace_months=1, now=NOW).expiry_month == 12
    assert vault.tokenize(VISA, expiry="12/99", horizon_years=None, now=NOW).expiry_year == 2099
    with pytest.raises(panseal.CardError):
        vault.tokenize("6100000000000006", known_network=True, strict_networks=True)


@given(st.text("0123456789 -", max_size=30))
def test_a_number_alone_is_judged_as_one_in_company(number: str) -> None:
    """One goes the short way, the other one the long."""
    for rules in ({}, {"strict": True}, {"known_network": True}):
        alone = panseal.check(number, now=NOW, **rules)  # type: ignore[arg-type]
        company = panseal.check(bytearray(number.encode()), now=NOW, **rules)  # type: ignore[arg-type]
        for name in ("ok", "network", "product", "last4", "masked", "length", "violations"):
            assert getattr(alone, name) == getattr(company, name), name
        assert repr(alone) == repr(company)


def test_the_test_cards_are_judged_alike_alone_and_in_company() -> None:
    cards = read_vectors("test_cards_open")
    assert len(cards) == 400
    for card in cards:
        alone, company = panseal.check(card["pan"]), panseal.check(card["pan"].encode())
        assert (alone.masked, alone.product) == (company.masked, company.product)
        assert alone.violations == company.violations
        if alone.ok:
            assert alone.masked == panseal.mask(card["pan"])
            assert alone.product == panseal.network(card["pan"]).product


# Partial input


@given(st.text("0123456789 -", max_size=40))
def test_a_number_is_among_what_each_of_its_beginnings_may_become(typed: str) -> None:
    found = panseal.partial(typed)
    assert found.digits == min(20, sum(char.isdigit() for char in typed))
    assert found.digits in range(21)
    assert (found.luhn_ok is None) == (found.digits not in found.lengths)
    if found.committed:
        assert found.possible == (found.committed,)
    assert panseal.partial(typed.encode()).possible == panseal.partial(bytearray(typed.encode())).possible


def test_partial_shows_no_digit() -> None:
    shown = repr(panseal.partial("378282246310005"))
    assert shown == "Partial(digits=15, committed='AMEX', complete='complete')"
    with pytest.raises(panseal.ArgumentError) as caught:
        panseal.partial("\ud800")
    assert caught.value.code == "utf8"
    assert panseal.partial(" " * 10_000).digits == 0


# Dates


def test_an_expiry_is_a_value_ordered_by_time() -> None:
    early, late = panseal.Expiry(12, 29), panseal.Expiry(1, 2030)
    assert early < late
    assert sorted([late, early]) == [early, late]
    assert (early, repr(early)) == (panseal.Expiry(12, 2029), "Expiry(12, 2029)")
    assert len({early, panseal.Expiry(12, 2029)}) == 1
    assert pickle.loads(pickle.dumps(early)) == copy.copy(early) == early
    match early:
        case panseal.Expiry(month, year):
            assert (month, year) == (12, 2029)
    assert early.is_expired(1_900_000_000)
    assert not early.is_expired(NOW)
    assert panseal.Expiry(1, 2020).is_expired()
    assert panseal.Expiry(1, 2099).is_too_far()


@pytest.mark.parametrize(("month", "year"), [(0, 30), (13, 30), (1, 1999), (1, 2100), (10**30, 1), (1, -1)])
def test_there_are_no_other_months(month: int, year: int) -> None:
    with pytest.raises(panseal.CardError) as caught:
        panseal.Expiry(month, year)
    assert caught.value.violations == (panseal.Violation("expiry", "malformed"),)


def test_a_form_of_dates_is_a_known_one() -> None:
    with pytest.raises(panseal.ArgumentError, match="form is"):
        panseal.parse_expiry("12/30", "dd")  # type: ignore[arg-type]


# Names


def test_a_holder_does_not_show_or_go_anywhere() -> None:
    holder = panseal.parse_holder(bytearray(b"BYRON/ADA"))
    assert repr(holder) == str(holder) == "<panseal.Holder>"
    assert holder
    assert not panseal.parse_holder(" /")
    for copied in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="neither"):
            copied(holder)


def test_a_written_name_is_read_again() -> None:
    written = panseal.write_holder("Núñez", "José", title="Dr")
    assert written == "NUNEZ/JOSE.DR"
    holder = panseal.parse_holder(written)
    assert (holder.surname, holder.first, holder.middle, holder.title) == ("NUNEZ", "JOSE", "", "DR")
    assert panseal.write_holder("") == " /"


# Display


def test_a_view_is_a_known_one() -> None:
    with pytest.raises(panseal.ArgumentError, match="view is"):
        panseal.mask(VISA, view="16")  # type: ignore[arg-type]


def test_a_truncation_is_one_that_the_brands_allow() -> None:
    assert panseal.truncate(VISA) == "424242******4242"
    assert panseal.truncate(VISA, 8) == "42424242****4242"
    assert panseal.truncate(VISA, 0, 0) == "*" * 16
    for first, last in ((9, 4), (8, 5), (16, 0)):
        with pytest.raises(panseal.ArgumentError) as caught:
            panseal.truncate(VISA, first, last)
        assert caught.value.code == "argument"


def test_a_grouped_number_goes_into_a_buffer() -> None:
    room = bytearray(23)
    with panseal.group("6759649826438453123") as secret:
        assert secret.reveal_into(room) == len(secret)
        assert room[: len(secret)].replace(b" ", b"") == b"6759649826438453123"
        assert repr(secret) == "<panseal.Secret>"


texts = st.text(max_size=60) | st.binary(max_size=60) | st.text("0123456789/-. ^%", max_size=60)


@given(texts)
def test_any_text_is_taken(text: Any) -> None:
    """Nothing but what is documented comes out of any of them, and nothing of the text with it."""
    verbs: list[Any] = [
        panseal.network,
        panseal.partial,
        panseal.parse_holder,
        panseal.track_name,
        panseal.write_holder,
        panseal.mask,
        panseal.group,
        panseal.truncate,
        *(
            lambda text, form=form: panseal.parse_expiry(text, form)
            for form in ("any", "mmyy", "yymm", "yymmdd")
        ),
    ]
    for verb in verbs:
        try:
            verb(text)
        except panseal.PansealError as error:
            assert type(error) in (panseal.CardError, panseal.ArgumentError)
            assert error.code in ("card", "utf8")
            assert error.__cause__ is error.__context__ is None
    if isinstance(text, bytes):
        panseal.aid_network(text)
