"""Stored events never change: each version ever written is read and written to the byte, as its schema describes.

`golden/` holds one stored event of each version that was ever written, and whole histories. Nothing in it is edited.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given

from ledger.errors import CorruptHistory
from ledger.events import KINDS as KINDS_OF_STREAMS
from ledger.events import PLAN, RECEIPT, InstallmentSettled, OutcomeVoided, PaymentMade, RecordedEvent
from ledger.events.codec import CURRENT, Codec
from ledger.events.facts import PaymentKind
from ledger.events.upcasters import RETIRED, Retired
from ledger.money import Money
from ledger.plan import Plan
from ledger.receipt import Receipt
from ledger.terms import KINDS
from tests import event_schemas
from tests.event_schemas import DIALECT, FOLDER, schemas
from tests.strategies import History, histories, one_in

GOLDEN = Path(__file__).parent / "golden"
HISTORY = GOLDEN / "history.jsonl"
NEVER = "a stored event cannot change; retire the old version and add a new one"


def golden_tags() -> list[str]:
    """Return the tags that have a golden file."""
    return sorted(path.stem for path in GOLDEN.glob("*.json"))


def golden(tag: str) -> bytes:
    """Return a golden event as it was written."""
    return (GOLDEN / f"{tag}.json").read_bytes()


def golden_history(*kinds: str) -> list[tuple[str, int, str, bytes]]:
    """Return the golden histories, of these kinds of streams or of all: id, version, tag and stored form of each event.

    The id of a plan is under `plan_id`, that of a receipt under `reference`.
    """
    rows = list(map(json.loads, HISTORY.read_text(encoding="utf-8").splitlines()))
    assert {row["kind"] for row in rows} == set(KINDS_OF_STREAMS)
    return [
        (row["plan_id" if row["kind"] == PLAN else "reference"], row["version"], row["tag"], row["state"].encode())
        for row in rows
        if not kinds or row["kind"] in kinds
    ]


def problem(codec: Codec, tag: str, state: bytes) -> str | None:
    """Return a sentence about a stored event that this codec does not read, or does not write as stored; else None.

    An event of a retired version is read in its own form (by the codec) and written in the current one, so the event
    that was read has to survive another turn.
    """
    try:
        recorded = codec.decode(tag, state, stream_id="P-1", version=1, sequence=0)
        new_tag, written = codec.encode(recorded)
        again = codec.decode(new_tag, written, stream_id="P-1", version=1, sequence=0)
    except (CorruptHistory, KeyError) as error:
        return f"{tag} is not read any more ({error}): {NEVER}."
    if again != recorded or (new_tag == tag and written != state):
        return f"{tag} is not written as it was stored: {NEVER}."
    return None


def problems(codec: Codec, known: Mapping[str, object]) -> list[str]:
    """Return the problems of the golden events under a codec that knows these tags."""
    found = [
        f"{tag} has no golden file; store one event of it, as `Codec.encode` writes it, in tests/golden/{tag}.json."
        for tag in sorted(known.keys() - set(golden_tags()))
    ]
    for tag in golden_tags():
        if tag not in known:
            found.append(f"{tag} is no longer known: {NEVER}.")
        elif sentence := problem(codec, tag, golden(tag)):
            found.append(sentence)
    return found


# ---- golden events


def test_every_event_has_a_golden_file_and_a_schema() -> None:
    """Each version that is written or still read has one of both, and nothing else has."""
    tags = sorted({*CURRENT, *RETIRED})
    assert golden_tags() == tags, NEVER
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == tags, "run python -m tests.event_schemas"


@pytest.mark.parametrize("tag", golden_tags())
def test_a_golden_event_is_read_and_written_to_the_byte(tag: str) -> None:
    """An event stored long ago decodes, and encodes to the bytes that it was stored in."""
    assert problem(Codec(), tag, golden(tag)) is None


def test_golden_events_are_as_the_codec_stores_them() -> None:
    """They are single canonical lines without a line end, as they lie in a database."""
    for tag in golden_tags():
        assert (
            json.dumps(json.loads(golden(tag)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            == golden(tag).decode()
        )
    assert problems(Codec(), {**CURRENT, **RETIRED}) == []


# ---- golden histories


def test_golden_histories_hold_every_kind() -> None:
    """All events occur in them, and every kind of every part of terms."""
    stored = golden_history()
    assert {tag for _, _, tag, _ in stored} == set(CURRENT)
    kinds: dict[str, set[str]] = defaultdict(set)
    for _, _, tag, state in stored:
        if tag.startswith("plan_opened."):
            terms = json.loads(state)["event"]["terms"]
            kinds["Promo"] |= {promo["kind"] for promo in terms["promos"]}
            for part in ("schedule", "release", "reinstatement"):
                kinds[part.title()].add(terms[part]["kind"])
    assert kinds == {base.__name__: set(shapes) for base, shapes in KINDS.items()}


@pytest.mark.parametrize("index", range(len(golden_history())))
def test_an_event_of_a_golden_history_is_read_and_written_to_the_byte(index: int) -> None:
    """Every line of the histories decodes, and encodes to the bytes that it was stored in."""
    _, _, tag, state = golden_history()[index]
    assert problem(Codec(), tag, state) is None


def test_golden_histories_fold_into_plans_that_pass_the_invariant() -> None:
    """The rules of today derive the outcomes that were recorded then; the numbers are those that were right then."""
    codec, histories_by_plan = Codec(), defaultdict[str, list[RecordedEvent]](list)
    for plan_id, version, tag, state in golden_history(PLAN):
        recorded = codec.decode(tag, state, stream_id=plan_id, version=version, sequence=0)
        histories_by_plan[plan_id].append(recorded)
    plans = {plan_id: Plan(history) for plan_id, history in histories_by_plan.items()}
    for plan in plans.values():
        plan.check(plan.timeline(plan.horizon))
    ends = {plan_id: plan.position(plan.horizon) for plan_id, plan in plans.items()}
    assert {
        plan_id: (end.status, str(end.paid), end.shares_credited, end.shares_forfeited, end.bonus_credited)
        for plan_id, end in ends.items()
    } == {
        "P-1": ("completed", "600.00 USD", 30_000, 4_000, 0),
        "P-2": ("cancelled", "800.000 KWD", 266, 734, 25),
        "P-3": ("completed", "100000 JPY", 500, 0, 250),
    }


def test_a_golden_history_folds_into_a_receipt() -> None:
    """Of 100.01 received 100.00 were allocated and 0.01 returned: nothing remains, as it was then."""
    codec = Codec()
    receipt = Receipt(
        codec.decode(tag, state, kind=RECEIPT, stream_id=reference, version=version, sequence=0)
        for reference, version, tag, state in golden_history(RECEIPT)
    )
    row = receipt.row(date(2024, 3, 1))
    assert row is not None
    assert list(map(str, (row.received, row.allocated, row.returned, row.remaining))) == [
        *("100.01 USD", "100.00 USD", "0.01 USD", "0.00 USD")
    ]


# ---- a changed class is found


@attrs.frozen(kw_only=True)
class FieldRemoved:
    """`PaymentMade` without its kind."""

    effective_on: date
    reference: str
    amount: Money
    paid_at: datetime | None


@attrs.frozen(kw_only=True)
class FieldRenamed:
    """`PaymentMade` with another name for its reference."""

    effective_on: date
    bank_reference: str
    amount: Money
    kind: PaymentKind
    paid_at: datetime | None


@attrs.frozen(kw_only=True)
class FieldAdded:
    """`PaymentMade` with a field that old events lack, though it has a default."""

    effective_on: date
    reference: str
    amount: Money
    kind: PaymentKind
    paid_at: datetime | None
    channel: str | None = None


@attrs.frozen(kw_only=True)
class FieldRetyped:
    """`PaymentMade` with its amount as text."""

    effective_on: date
    reference: str
    amount: str
    kind: PaymentKind
    paid_at: datetime | None


@pytest.mark.parametrize("changed", [FieldRemoved, FieldRenamed, FieldAdded, FieldRetyped])
def test_a_changed_event_is_found_and_named(changed: type[Any]) -> None:
    """A field removed, renamed, added or of another type fails on the golden event, with the remedy."""
    tag = "payment_made.v1"
    current = {**CURRENT, tag: changed}
    (sentence,) = problems(Codec(current=current), current)
    assert sentence.startswith(f"{tag} is ")
    assert sentence.endswith(f": {NEVER}.")


def test_an_event_under_another_tag_is_found_and_named() -> None:
    """Renaming a tag leaves the events stored under the old one behind."""
    current = {("settled.v1" if tag == "installment_settled.v1" else tag): shape for tag, shape in CURRENT.items()}
    unknown, lost = problems(Codec(current=current), current)
    assert unknown.startswith("settled.v1 has no golden file; store one event of it")
    assert lost == f"installment_settled.v1 is no longer known: {NEVER}."


def test_retiring_a_version_is_the_way_to_change_an_event() -> None:
    """With the old version retired and a new one added nothing is lost, and only the new one wants a golden file."""

    def upcast(old: PaymentMade) -> FieldAdded:
        return FieldAdded(**{field.name: getattr(old, field.name) for field in attrs.fields(PaymentMade)})

    current = {tag: shape for tag, shape in CURRENT.items() if shape is not PaymentMade}
    current["payment_made.v2"] = FieldAdded
    retired = {"payment_made.v1": Retired(shape=PaymentMade, next_tag="payment_made.v2", upcast=upcast)}
    (sentence,) = problems(Codec(current=current, retired=retired), {**current, **retired})
    assert sentence.startswith("payment_made.v2 has no golden file")


# ---- schemas

SCHEMAS = schemas()
TYPES: Mapping[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
NOTES = {"$schema", "$defs", "title", "description", "minItems", "prefixItems"}
"""Words that ask for nothing, and two that `maxItems` looks at."""
FORMATS: Mapping[str, Callable[[str], object]] = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}


def fits(schema: Mapping[str, Any], value: object) -> bool:
    """Return whether a value satisfies a schema."""
    return _Words(schema["$defs"]).take(schema, value)


class _Words:
    """The words of JSON Schema 2020-12 that the schemas here use, and no other."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions

    def take(self, schema: Mapping[str, Any], value: Any) -> bool:
        words = [word for word in schema if word not in NOTES]
        return all(getattr(self, f"_{word.strip('$')}")(schema, value) for word in words)  # `type` is the first of them

    def _ref(self, schema: Mapping[str, Any], value: Any) -> bool:
        return self.take(self.definitions[schema["$ref"].removeprefix("#/$defs/")], value)

    def _anyOf(self, schema: Mapping[str, Any], value: Any) -> bool:  # noqa: N802  # the word itself
        return any(self.take(option, value) for option in schema["anyOf"])

    def _type(self, schema: Mapping[str, Any], value: Any) -> bool:
        return isinstance(value, TYPES[schema["type"]]) and not isinstance(value, bool)

    def _enum(self, schema: Mapping[str, Any], value: Any) -> bool:
        return value in schema["enum"]

    def _properties(self, schema: Mapping[str, Any], value: Any) -> bool:
        parts = schema["properties"]
        return isinstance(value, dict) and all(self.take(parts[key], value[key]) for key in value.keys() & parts)

    def _required(self, schema: Mapping[str, Any], value: Any) -> bool:
        return isinstance(value, dict) and value.keys() >= {*schema["required"]}

    def _additionalProperties(self, schema: Mapping[str, Any], value: Any) -> bool:  # noqa: N802  # the word itself
        assert schema["additionalProperties"] is False
        return isinstance(value, dict) and value.keys() <= schema["properties"].keys()

    def _items(self, schema: Mapping[str, Any], value: Any) -> bool:
        items = schema["items"]
        return items is False or (isinstance(value, list) and all(self.take(items, inner) for inner in value))

    def _maxItems(self, schema: Mapping[str, Any], value: Any) -> bool:  # noqa: N802  # the word itself
        parts = schema["prefixItems"]  # a tuple: as many as there are parts
        assert schema["minItems"] == schema["maxItems"] == len(parts)
        return len(value) == len(parts) and all(map(self.take, parts, value))

    def _format(self, schema: Mapping[str, Any], value: Any) -> bool:
        try:
            FORMATS[schema["format"]](value)
        except ValueError:
            return False
        return True

    def _pattern(self, schema: Mapping[str, Any], value: Any) -> bool:
        return re.search(schema["pattern"], value) is not None


@pytest.mark.parametrize("tag", sorted(schemas()))
def test_a_schema_in_the_repository_is_the_generated_one(tag: str) -> None:
    """The schemas that are published are those of the code."""
    published = (FOLDER / f"{tag}.json").read_text(encoding="utf-8")
    assert published == schemas()[tag], (
        f"{tag} has another schema than the one in the repository: {NEVER}. "
        "Where only words or kinds of terms were added: python -m tests.event_schemas."
    )


@pytest.mark.parametrize("tag", golden_tags())
def test_a_golden_event_satisfies_its_schema(tag: str) -> None:
    """The schema takes the event that was stored, and refuses it with a field less, a field more, or a float."""
    schema = json.loads((FOLDER / f"{tag}.json").read_text(encoding="utf-8"))
    stored = json.loads(golden(tag))
    assert fits(schema, stored)
    for field in stored["event"]:
        less = {**stored, "event": {key: value for key, value in stored["event"].items() if key != field}}
        assert not fits(schema, less)
        assert not fits(schema, {**stored, "event": {**stored["event"], field: 0.5}})
    assert not fits(schema, {**stored, "event": {**stored["event"], "zzz": None}})
    assert not fits(schema, {**stored, "zzz": None})


def test_golden_histories_satisfy_their_schemas() -> None:
    """So does every line of the histories, and no line that of another event."""
    read = {tag: json.loads(text) for tag, text in schemas().items()}
    for _, _, tag, state in golden_history():
        taken_by = [other for other, schema in read.items() if fits(schema, json.loads(state))]
        assert taken_by == [tag]


@one_in(4)
@given(history=histories())
def test_every_stored_event_satisfies_its_schema(history: History) -> None:
    """The schemas promise no less than the codec keeps."""
    codec, read = Codec(), {tag: json.loads(text) for tag, text in SCHEMAS.items()}
    for recorded in history.events:
        tag, state = codec.encode(recorded)
        assert fits(read[tag], json.loads(state))


@pytest.mark.parametrize("tag", sorted(schemas()))
def test_a_schema_has_titles_and_descriptions(tag: str) -> None:
    """Each names its dialect and its tag, and every object in it is described in the words of its class."""
    schema = json.loads(SCHEMAS[tag])
    assert (schema["$schema"], schema["title"]) == (DIALECT, tag)
    shape = {**CURRENT, **{old: retired.shape for old, retired in RETIRED.items()}}[tag]
    assert schema["$defs"][shape.__name__]["description"].startswith((shape.__doc__ or "").split("\n")[0])
    for part in (schema, *schema["$defs"].values()):
        assert part["type"] == "object"
        assert part["title"]
        assert len(part["description"]) > 10
        assert sorted(part["properties"]) == sorted(part["required"])
        assert part["additionalProperties"] is False


def test_schemas_are_written_where_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator writes one file per event and removes files of unknown events."""
    monkeypatch.setattr(event_schemas, "FOLDER", tmp_path)
    (tmp_path / "gone.v1.json").write_text("{}", encoding="utf-8")
    event_schemas.write()
    assert {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == SCHEMAS


def test_a_schema_follows_its_class() -> None:
    """A changed class has another schema: the published one cannot silently stay."""
    for shape in (InstallmentSettled, OutcomeVoided, FieldAdded):
        assert json.dumps(event_schemas.schema("payment_made.v1", shape), indent=2) + "\n" != SCHEMAS["payment_made.v1"]
