"""Errors for people and machines: codes, retries, sentences that stay short and never advise what is false."""

import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import numpy as np
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger import (
    Closed,
    CommandRefused,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    InvalidArgument,
    Ledger,
    LedgerError,
    PackageBonus,
    PlanIsCancelled,
    PlanIsCompleted,
    PlanTerms,
    Portion,
    ReferenceConflict,
    StoreUnavailable,
    errors,
)
from ledger.errors.excerpt import excerpt, named, sentence
from ledger.terms import Reinstatement
from tests.examples import OPENED_ON, TERMS, open_plan, usd

CODES = {
    "LedgerError": ("ledger_error", False),
    "CommandRefused": ("command_refused", False),
    "TermsRefused": ("terms_refused", False),
    "PaymentRefused": ("payment_refused", False),
    "Overpayment": ("overpayment", False),
    "PlanIsCancelled": ("plan_is_cancelled", False),
    "PlanIsCompleted": ("plan_is_completed", False),
    "ReinstatementRefused": ("reinstatement_refused", False),
    "ReceiptRefused": ("receipt_refused", False),
    "Conflict": ("conflict", False),
    "ReferenceConflict": ("reference_conflict", False),
    "ReceiptConflict": ("receipt_conflict", False),
    "ConcurrentChange": ("concurrent_change", True),
    "CorruptHistory": ("corrupt_history", False),
    "WrittenByNewerVersion": ("written_by_newer_version", False),
    "NotFound": ("not_found", False),
    "PlanNotFound": ("plan_not_found", False),
    "PaymentNotFound": ("payment_not_found", False),
    "ReceiptNotFound": ("receipt_not_found", False),
    "InvalidArgument": ("invalid_argument", False),
    "StoreUnavailable": ("store_unavailable", True),
    "NotCaughtUp": ("not_caught_up", True),
}
"""Published: a service may have these in its own tables. Never change one; a new class gets a new line."""


def _all(error: type[LedgerError] = LedgerError) -> Iterator[type[LedgerError]]:
    yield error
    for kind in error.__subclasses__():
        if vars(errors).get(kind.__name__) is kind:  # attrs leaves behind the classes that it replaced
            yield from _all(kind)


def test_every_class_has_the_code_and_the_answer_about_retries_that_were_published() -> None:
    """Codes are stable and differ, so that `ConcurrentChange` and `ReferenceConflict` are told apart by both."""
    found = {kind.__name__: (kind.code, kind.retryable) for kind in _all()}
    assert {name: found[name] for name in CODES} == CODES
    assert len({code for code, _ in found.values()}) == len(found)


def test_every_class_states_its_own_code() -> None:
    """A code is never inherited: a new class without one would answer as its parent."""
    assert [kind.__name__ for kind in _all() if "code" not in vars(kind)] == []


# ---- sentences


class _Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("bank-1", "'bank-1'"),
        ("x" * 200, repr("x" * 200)),
        ("x" * 10_000_000, repr("x" * 100) + "… (10,000,000 characters)"),
        ("a\u202eb\x00\ud800", "'a\\u202eb\\x00\\ud800'"),
        (date(2023, 4, 10), "2023-04-10"),
        (10**4_999, "a whole number of 16,607 bits"),
        (-(10**4_999), "a whole number of 16,607 bits"),
        ((10**4_999,), "a tuple that cannot be shown"),
        (_Hostile(), "a _Hostile that cannot be shown"),
        (["\x1b[2J"], "['\\x1b[2J']"),
        (HTTPStatus.OK, "<HTTPStatus.OK: 200>"),
        (np.int64(5), "np.int64(5)"),
        (True, "True"),
    ],
    ids=[f"value {number}" for number in range(13)],  # pytest itself cannot write such integers
)
def test_a_value_of_a_stranger_is_cut_and_every_character_visible(value: object, shown: str) -> None:
    """Whatever was given, its place in a sentence is short, prints, and raises nothing."""
    assert excerpt(value) == shown


def test_ids_and_sentences_of_others_are_cut_and_visible_too() -> None:
    """An id stands without quotes; the text of a database is one line."""
    assert (named("P-1"), named("P\n1"), named(17)) == ("P-1", "P\\n1", "17")
    assert sentence("line 1\n  line 2\x07") == "line 1 line 2\\x07"
    assert len(sentence("x" * 10_000_000)) == 2_001


@pytest.mark.parametrize("given", ["x" * 10_000_000, 10**5_000, ("x" * 100,) * 1_000], ids=("text", "number", "values"))
def test_a_message_never_carries_what_it_refuses(given: object) -> None:
    """The attribute holds the value; the sentence a line of it."""
    error = InvalidArgument(argument="reference", given=given, expected="text")
    assert error.given is given
    assert len(str(error)) < 400
    assert len(str(ReferenceConflict(plan_id="P", reference="r", field="x", recorded=given, given=given))) < 800


# ---- conflicts in an opening


BOOK = tuple((date(2024 + n // 12, n % 12 + 1, 10), 15_000) for n in range(20))


def _explicit(lines: tuple[tuple[date, int], ...] = BOOK, **changed: Any) -> PlanTerms:
    return attrs.evolve(TERMS, schedule=ExplicitSchedule(lines), release=Portion("0"), **changed)


def _conflict(recorded: PlanTerms, given: PlanTerms) -> ReferenceConflict:
    with Ledger.open("memory://") as books:
        opening: dict[str, Any] = {"investor": "I-1", "partner": None, "opened_at": date(2024, 1, 1)}
        books.open_plan("P-1", terms=recorded, **opening)
        with pytest.raises(ReferenceConflict) as caught:
            books.open_plan("P-1", terms=given, **opening)
    return caught.value


def test_a_conflict_in_a_schedule_names_the_line_and_both_values() -> None:
    """Twenty lines of tuples twice are no sentence; the first line that differs is."""
    moved = (*BOOK[:6], (date(2024, 7, 11), 15_000), *BOOK[7:])
    error = _conflict(_explicit(), _explicit(moved))
    assert (error.field, error.item) == ("terms.schedule", 7)
    assert (error.recorded, error.given) == (ExplicitSchedule(BOOK), ExplicitSchedule(moved))
    assert str(error) == (
        "Plan P-1: 'P-1' is recorded with terms.schedule line 7 '2024-07-10: 150.00 USD', not "
        "'2024-07-11: 150.00 USD'; a plan stays as it was opened: repeat the opening as it is recorded."
    )


def test_a_conflict_in_other_lists_of_the_terms_names_the_item() -> None:
    """Shares released line by line, and promotions; one list may be longer."""
    release = ExplicitRelease((1,) * 20)
    error = _conflict(
        attrs.evolve(_explicit(), release=release), attrs.evolve(_explicit(), release=ExplicitRelease((1,) * 19 + (2,)))
    )
    assert (error.field, error.item, error.items) == ("terms.release", 20, (1, 2))
    promo = PackageBonus(code="spring", rate_bp=1)
    error = _conflict(_explicit(promos=()), _explicit(promos=(promo,)))
    assert (error.field, error.item, error.items) == ("terms.promos", 1, ("none", promo))


@pytest.mark.parametrize("changed", [{"investor": "I-2"}, {"terms": attrs.evolve(TERMS, grace_days=3)}])
def test_a_conflict_in_an_opening_never_advises_another_plan_id(changed: dict[str, Any], books: Ledger) -> None:
    """A plan of that id exists: a second one under a new id would be the same purchase twice."""
    opening: dict[str, Any] = {"investor": "I-7", "partner": "N-3", "terms": TERMS, "opened_at": OPENED_ON}
    with pytest.raises(ReferenceConflict) as caught:
        books.open_plan("P-1", **opening | changed)
    assert "new" not in str(caught.value)
    assert str(caught.value).endswith("a plan stays as it was opened: repeat the opening as it is recorded.")


# ---- refusals


def _cancelled(terms: PlanTerms) -> Ledger:
    books = Ledger.open("memory://")
    open_plan(books, terms=terms)
    return books


def test_money_for_a_cancelled_plan_is_offered_the_reinstatement_that_the_terms_allow() -> None:
    """And is to be returned where they allow none; no other date is suggested."""
    policies: dict[Reinstatement, str] = {
        Closed(): "return the money: its terms allow no reinstatement.",
        FullCover(): "reinstate the plan, or return the money.",
    }
    for policy, remedy in policies.items():
        with _cancelled(attrs.evolve(TERMS, reinstatement=policy)) as books, pytest.raises(PlanIsCancelled) as caught:
            books.record_payment("P-1", reference="late", amount=usd("150.00"), paid_at=date(2023, 7, 1))
        assert str(caught.value).endswith(f"the plan was cancelled on {caught.value.cancelled_on}; {remedy}")


def test_a_completed_plan_says_that_nothing_is_left_to_pay() -> None:
    """And nothing to cancel."""
    with Ledger.open("memory://") as books:
        open_plan(books)
        books.record_payment("P-1", reference="all", amount=TERMS.price, paid_at=OPENED_ON)
        with pytest.raises(PlanIsCompleted, match="; nothing is left to pay.$"):
            books.record_payment("P-1", reference="more", amount=usd("1.00"), paid_at=date(2023, 5, 1))
        with pytest.raises(PlanIsCompleted, match="; nothing is left to cancel.$"):
            books.cancel_plan("P-1", reference="crm", on=date(2023, 5, 1), reason="asked")


def test_no_refusal_invites_a_false_date() -> None:
    """Money with a date that cannot be is to be checked, or recorded later: nobody is advised to write another date."""
    money = usd("1.00")
    with Ledger.open("memory://", clock=lambda: datetime(2023, 5, 1, tzinfo=UTC)) as books:
        books.open_plan("P-1", investor="I-7", partner="N-3", terms=TERMS, opened_at=OPENED_ON)
        books.record_payment("P-1", reference="bank-1", amount=money, paid_at=date(2023, 4, 12))
        calls: dict[str, Callable[[], object]] = {
            "check the plan and the date": lambda: books.record_payment(
                "P-1", reference="x", amount=money, paid_at=date(2023, 4, 9)
            ),
            "record it on that day or later": lambda: books.record_payment(
                "P-1", reference="x", amount=money, paid_at=date(2023, 5, 2)
            ),
            "check the payment and the date": lambda: books.reverse_payment(
                "P-1", reference="bank-1", cause="chargeback", on=date(2023, 4, 11)
            ),
        }
        for remedy, call in calls.items():
            with pytest.raises(CommandRefused) as caught:
                call()
            assert caught.value.remedy == remedy


def test_a_chargeback_without_a_date_says_just_that(books: Ledger) -> None:
    """Not that None is no date."""
    with pytest.raises(InvalidArgument, match="^on is None; expected the date of the chargeback.$"):
        books.reverse_payment("P-1", reference="bank-1", cause="chargeback")


def test_errors_travel_between_processes() -> None:
    """With the item of a conflict and its remedy."""
    error = _conflict(_explicit(), _explicit((*BOOK[:-1], (date(2026, 1, 1), 15_000))))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.item, again.code) == (str(error), 20, "reference_conflict")


# ---- opening


@contextmanager
def _ordinary_user() -> Iterator[None]:
    """Be somebody whom permissions bind, also where the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user can read."""
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _refused(url: str, *, create: bool = True) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        Ledger.open(url, create=create).close()
    return str(caught.value).replace(url.removeprefix("sqlite:///"), "PATH")


def test_an_sqlite_file_that_cannot_be_opened_says_why(shared_folder: Path) -> None:
    """Each cause has its sentence: text, a folder, no permission, no folder, no file."""
    text, locked, unwritable = (shared_folder / name for name in ("text.db", "locked.db", "unwritable.db"))
    text.write_text("plan_id,investor\n" * 1_000)
    locked.touch(mode=0o000)
    Ledger.open(f"sqlite:///{unwritable}").close()
    unwritable.chmod(0o444)
    assert _refused(f"sqlite:///{text}") == "SQLite file PATH: it is not a database of SQLite; check the path."
    assert "it is a folder; name a file in it." in _refused(f"sqlite:///{shared_folder}")
    assert _refused(f"sqlite:///{shared_folder}/no/x.db").endswith(
        f"the folder {shared_folder}/no does not exist; create the folder, or check the path."
    )
    assert "the file does not exist; check the path" in _refused(f"sqlite:///{shared_folder}/x.db", create=False)
    cut, numbered = shared_folder / "cut.db", shared_folder / "numbered.db"
    for path in (cut, numbered):
        Ledger.open(f"sqlite:///{path}").close()
    os.truncate(cut, 8_192)
    assert "the file is damaged, or cut off; restore it from a backup." in _refused(f"sqlite:///{cut}")
    with closing(sqlite3.connect(numbered, isolation_level=None)) as connection:
        connection.execute("UPDATE installment_ledger_schema SET version = 'three'")
    assert "the schema version of the ledger 'ledger' is 'three', which is no number" in _refused(
        f"sqlite:///{numbered}"
    )
    with _ordinary_user():
        assert "permission denied; give this user the permission" in _refused(f"sqlite:///{locked}")
        assert "it may not be written; give this user the permission" in _refused(f"sqlite:///{unwritable}")


def test_a_wrong_password_says_just_that(postgres_url: str) -> None:
    """Not that the database may be missing; and the password is in no part of the error."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP ROLE IF EXISTS locked_out")
        server.execute("CREATE ROLE locked_out LOGIN PASSWORD 'right'")
        ((hba,),) = server.execute("SHOW hba_file").fetchall()
        rules = Path(hba).read_text()
        Path(hba).write_text(f"local all locked_out scram-sha-256\nhost all locked_out all scram-sha-256\n{rules}")
        server.execute("SELECT pg_reload_conf()")
        try:
            url = make_url(postgres_url, user="locked_out", password="w/r@ng")
            with pytest.raises(StoreUnavailable) as caught:
                Ledger.open(url).close()
        finally:
            Path(hba).write_text(rules)
            server.execute("SELECT pg_reload_conf()")
    assert "the password of user locked_out is wrong; correct the password." in str(caught.value)
    assert "ng" not in caught.value.reason.replace("wrong", "")


def make_url(url: str, *, user: str, password: str) -> str:
    """Return a URL with another user and a password."""
    given = conninfo_to_dict(url)
    where = urlencode({key: value for key, value in given.items() if key in ("host", "port")})
    return f"postgresql://{user}:{quote(password, safe='')}@/{given['dbname']}?{where}"


SECRETS = (
    "postgresql://u:s3/cret@host/db",
    "postgresql://u:s3@cret@host/db",
    "postgresql://u:s3cret%zz@host/db",
    "postgresql://u:s3cret/db",
    "postgresql://host/db?password=s3cret&nonsense=1",
    "postgresql://s3:cret@[::1/db",
    "postgres:/u:s3cret@host/db",
    "host=h user=u password=s3cret",
    "s3cret://h",
    "mysql://u:s3cret@host/db",
    "sqlite:books.db?password=s3cret",
    "postgresql://u:s3cret\0@host/db",
    "postgresql://u:s3cret\ud800@host/db",
)


@pytest.mark.parametrize("url", SECRETS, ids=range(len(SECRETS)))
@pytest.mark.parametrize("argument", ["url", "views"])
def test_a_url_that_cannot_be_parsed_is_never_shown(url: str, argument: str) -> None:
    """Any of its characters may belong to a password: neither the message nor an attribute holds them."""
    location: dict[str, Any] = {"url": "memory://"} | {argument: url}
    with pytest.raises(InvalidArgument) as caught:
        Ledger.open(**location).close()
    assert caught.value.argument in ("url", argument)
    shown = f"{caught.value} {caught.value.given} {caught.value!r} {caught.value.__cause__!r}"
    assert "s3" not in shown
    assert "cret" not in shown


@pytest.mark.parametrize("setting", ["sslmode", "channel_binding", "gssencmode"])
def test_a_setting_that_is_invalid_is_named_and_its_value_is_not(setting: str) -> None:
    """It may be a password that got into the wrong place."""
    with pytest.raises(StoreUnavailable) as caught:
        Ledger.open(f"postgresql://u@localhost:1/db?{setting}=s3cret", timeout=0.5).close()
    expected = f"PostgreSQL database db at localhost: the setting {setting} in its URL is invalid; correct the URL."
    assert str(caught.value) == expected


@pytest.mark.parametrize("path", ["a\0b.db", "a\ud800.db"], ids=["NUL", "surrogate"])
def test_a_path_that_no_file_can_have_is_a_bad_argument(path: str, tmp_path: Path) -> None:
    """No `ValueError` of the system, and no file of half the name."""
    with pytest.raises(InvalidArgument, match="in characters of UTF-8"):
        Ledger.open(f"sqlite:///{tmp_path}/{path}").close()
    assert list(tmp_path.iterdir()) == []
