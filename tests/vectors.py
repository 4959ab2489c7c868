"""The golden vectors: written from the real ledger, each answer confirmed by the reference model.

`uv run python -m tests.vectors` writes them, their schema, and the page on which to read them.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from ledger import Installment, OverdueRow, PlanTerms, Position, json_schema, to_dict
from ledger.audit import verify as reference_model
from ledger.commands import ClosePlan, OpenPlan, ReversePayment
from ledger.events import Fact, Outcome, PlanOpened, RecordedEvent
from ledger.money import EXPONENTS
from ledger.plan import Plan, known
from ledger.testing.golden_vectors import FILE, FORMAT, SCHEMA
from ledger.testing.story_report import Step
from tests.reference_words import fact_of, report_of, terms_of
from tests.vector_cases import Case, cases

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "vectors.md"
_SECOND = timedelta(seconds=1)


def vector(case: Case) -> dict[str, Any]:
    """Return a case as plain data."""
    steps = case.story.steps
    assert case.story.pending is None, f"{case.name}: nobody expects {case.story.pending}"
    if steps[0].error is not None:
        return _never_opened(case)
    opened = steps[0].events[0].event
    assert isinstance(opened, PlanOpened), case.name
    plan_events = case.story.ledger.history("P-1")
    return {
        "name": case.name,
        "section": case.section,
        "shows": case.title,
        "terms": {**to_dict(opened.terms), "minor_digits": EXPONENTS[opened.terms.price.currency]},
        "opened_on": opened.effective_on.isoformat(),
        "schedule": to_dict(opened.lines),
        "facts": list(_facts(steps[1:])),
        "without_effect": [_sent(step) for step in steps[1:] if _is_without_effect(step)],
        "refused": [_refused(step) for step in steps[1:] if step.error is not None],
        "answers": [_answer(case, opened, plan_events, *question) for question in _questions(case)],
    }


def _never_opened(case: Case) -> dict[str, Any]:
    """Return a case whose terms are refused."""
    command, refused = case.story.steps[0].command, _refused(case.story.steps[0])
    assert isinstance(command, OpenPlan), case.name
    return {
        "name": case.name,
        "section": case.section,
        "shows": case.title,
        "terms": {**to_dict(command.terms), "minor_digits": EXPONENTS[command.terms.price.currency]},
        "opened_on": case.story.steps[0].day.isoformat(),
        "schedule": [],
        "facts": [],
        "without_effect": [],
        "refused": [{**refused, "arguments": {"plan_id": command.plan_id}}],
        "answers": [],
    }


def _facts(steps: tuple[Step, ...]) -> Iterator[dict[str, Any]]:
    for step in steps:
        for recorded in step.events[:1]:
            if not isinstance(step.command, ClosePlan):
                yield {"recorded_at": recorded.recorded_at.isoformat(), **to_dict(recorded.event)}


def _is_without_effect(step: Step) -> bool:
    """Return whether a command is a closing, or the repetition of one that was recorded before."""
    return step.error is None and (isinstance(step.command, ClosePlan) or not step.events)


def _sent(step: Step) -> dict[str, Any]:
    return {
        "recorded_at": step.recorded_at.isoformat(),
        "effective_on": step.day.isoformat(),
        "command": type(step.command).__name__,
        "arguments": to_dict(step.command),
        "actor": "clerk",
    }


def _refused(step: Step) -> dict[str, Any]:
    assert step.error is not None
    return {**_sent(step), "code": step.error.code}


def _questions(case: Case) -> list[tuple[date, datetime | None]]:
    """Ask on the days of the case and, where facts were recorded late, as it was known just before each."""
    steps, opened = case.story.steps, case.story.steps[0].day
    days = {day for day in (*case.on, case.story.day, *(step.day for step in steps[-1:])) if day >= opened}
    asked: list[tuple[date, datetime | None]] = [(day, None) for day in sorted(days)]
    for step in steps[1:]:
        late = step.events and step.day < step.recorded_at.date()
        if late or isinstance(step.command, ReversePayment):
            asked += [(case.story.day, step.recorded_at - _SECOND)]
    asked += [(case.story.day, known_at) for known_at in case.known]
    return list(dict.fromkeys(asked))


def _answer(
    case: Case, opened: PlanOpened, events: tuple[RecordedEvent, ...], as_of: date, known_at: datetime | None
) -> dict[str, Any]:
    """Return the answers of the ledger to one question; the reference model must give the same ones."""
    ledger, plan = case.story.ledger, Plan(known(events, known_at))
    derived, terms = plan.timeline(as_of), terms_of(opened)
    facts = [word for fact in plan.facts if (word := fact_of(fact)) is not None]
    expected = reference_model.derive(terms, opened.effective_on, facts, as_of)
    assert report_of(opened, derived, as_of) == expected, (case.name, as_of, known_at)
    assert [(line.due_on, line.amount, line.shares) for line in opened.lines] == reference_model.schedule(terms)
    rows = ledger.overdue(as_of=as_of, known_at=known_at)
    return {
        "as_of": as_of.isoformat(),
        "known_at": None if known_at is None else known_at.isoformat(),
        "position": to_dict(ledger.position("P-1", as_of=as_of, known_at=known_at)),
        "overdue": to_dict(rows[0]) if len(rows) else None,
        "outcomes": to_dict(derived.holding()),
    }


def written() -> str:
    """Return the file of vectors: one line for each part of a case, so that a change is one in a few lines."""
    made = []
    for case in cases():
        parts = vector(case)
        lines = [f"    {json.dumps(name)}: {_listed(value)}" for name, value in parts.items()]
        made.append("   {\n" + ",\n".join(lines) + "\n   }")
    head = f'{{\n "format": {json.dumps(FORMAT)},\n "rules": "docs/rules.md",\n "cases": [\n'
    return head + ",\n".join(made) + "\n ]\n}\n"


def _listed(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"     {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n    ]"
    return json.dumps(value, ensure_ascii=False)


# ---- the schema

_NULL = {"type": "null"}
_DATE = {"type": "string", "format": "date"}
_INSTANT = {"type": "string", "format": "date-time"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file: an envelope around those of terms, events, positions and overdue rows."""
    shapes = (PlanTerms, Installment, Position, OverdueRow, *get_args(Fact), *get_args(Outcome))
    definitions: dict[str, Any] = {}
    for shape in shapes:
        definitions |= json_schema(shape)["$defs"]
    terms = definitions["PlanTerms"]
    terms["properties"]["minor_digits"] = {"type": "integer", "description": "Decimals of the currency's major unit."}
    terms["required"] = [*terms["required"], "minor_digits"]
    facts = []
    for shape in get_args(Fact):
        fact = definitions.pop(shape.__name__)
        recorded = {"recorded_at": {**_INSTANT, "description": "When the ledger learnt of it; never decreasing."}}
        properties, required = {**recorded, **fact["properties"]}, ["recorded_at", *fact["required"]]
        facts.append({**fact, "properties": properties, "required": required})
    definitions["Answer"] = _object(
        as_of=_DATE,
        known_at={"anyOf": [_INSTANT, _NULL], "description": "Inclusive; null: with all facts."},
        position={"$ref": "#/$defs/Position"},
        overdue={"anyOf": [{"$ref": "#/$defs/OverdueRow"}, _NULL]},
        outcomes=_array({"anyOf": [{"$ref": f"#/$defs/{shape.__name__}"} for shape in get_args(Outcome)]}),
    )
    sent: dict[str, Any] = {
        "recorded_at": _INSTANT,
        "effective_on": _DATE,
        "command": {"enum": _COMMANDS},
        "arguments": {"type": "object", "required": ["plan_id"]},
        "actor": {"type": "string"},
    }
    definitions["Sent"] = _object(**sent)
    definitions["Refused"] = _object(**sent, code={"type": "string"})
    definitions["Case"] = _object(
        name={"type": "string"},
        section={"type": "string", "pattern": "^[0-9]+$", "description": "The section of the rules that it shows."},
        shows={"type": "string"},
        terms={"$ref": "#/$defs/PlanTerms"},
        opened_on=_DATE,
        schedule=_array({"$ref": "#/$defs/Installment"}),
        facts=_array({"anyOf": facts}),
        without_effect={
            **_array({"$ref": "#/$defs/Sent"}),
            "description": "Closings of the books, and repetitions of what is recorded: no answer changes.",
        },
        refused=_array({"$ref": "#/$defs/Refused"}),
        answers=_array({"$ref": "#/$defs/Answer"}),
    )
    file = _object(format={"const": FORMAT}, rules={"type": "string"}, cases=_array({"$ref": "#/$defs/Case"}))
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "Golden vectors", **file, "$defs": dict(sorted(definitions.items()))}


_COMMANDS = ["OpenPlan", "RecordPayment", "ReversePayment", "CancelPlan", "ReinstatePlan", "ClosePlan"]


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


# ---- the page

_INTRODUCTION = """# Golden vectors

{count} cases as plain data, for implementations in any language:
[`vectors.json`](../src/ledger/testing/vectors.json), one file to download, and its
[JSON Schema](../src/ledger/testing/vectors.schema.json). The real ledger wrote the answers, and the reference model
confirmed each one. [How to use them](testing.md#use-the-vectors-from-another-language) is another page. This one is
written from the file by `uv run python -m tests.vectors`.

Each case has terms, the schedule that they produce, the facts with both times, the commands without effect (closings
of the books, and repetitions of what is recorded), the commands that were refused with the code of their error, and
answers: position, row of the overdue list and outcomes, as of a day and as known at an instant (without one, with all
facts). Amounts are in minor units, of which `minor_digits` make a major one.
"""


_HEAD = """| case | facts | as of | status | paid | credited, promised, forfeited | bonus |
|---|---|---|---|---|---|---|"""


def page() -> str:
    """Return the page: each case with its facts and the answers that matter, by section of the rules."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    parts = [_INTRODUCTION.format(count=len(data["cases"]))]
    for section in sorted({case["section"] for case in data["cases"]}, key=int):
        rows = [row for case in data["cases"] if case["section"] == section for row in _rows(case)]
        parts.append(f"## Section {section}\n\n{_HEAD}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _rows(case: dict[str, Any]) -> Iterator[str]:
    facts = [_in_words(fact) for fact in case["facts"]]
    facts += _without_effect(case["without_effect"])
    facts += [f"{one['command']} on {one['effective_on']}: `{one['code']}`" for one in case["refused"]]
    for number, answer in enumerate(case["answers"]):
        at, position = answer["as_of"], answer["position"]
        if answer["known_at"]:
            at += f", known at {answer['known_at'][:19].replace('T', ' ')}"
        shares = ", ".join(f"{position[f'shares_{word}']:,}" for word in ("credited", "promised", "forfeited"))
        bonus = f"{position['bonus_credited']:,} + {position['bonus_promised']:,}"
        status = position["status"]
        if answer["overdue"]:
            status += f", {answer['overdue']['days_left']} days left"
        name = f"`{case['name']}`<br>{case['shows']}" if number == 0 else ""
        told = "<br>".join(facts) if number == 0 else ""
        yield f"| {name} | {told} | {at} | {status} | {position['paid']['amount']} | {shares} | {bonus} |"


def _in_words(fact: dict[str, Any]) -> str:
    word = fact["type"].partition(".")[0].replace("_", " ")
    amount = f" {fact['amount']['amount']}" if "amount" in fact else ""
    late = fact["recorded_at"][:10]
    recorded = "" if late == fact["effective_on"] else f", recorded {late}"
    cause = f" ({fact['cause']})" if "cause" in fact else ""
    return f"{word}{amount}{cause} on {fact['effective_on']}{recorded}"


_CLOSINGS = 3
"""Closings of a case that are named one by one."""


def _without_effect(sent: list[dict[str, Any]]) -> Iterator[str]:
    closings = [one["effective_on"] for one in sent if one["command"] == "ClosePlan"]
    if len(closings) > _CLOSINGS:
        yield f"closed {len(closings)} times, through {closings[0]} to {closings[-1]}"
    for one in sent:
        day, late = one["effective_on"], one["recorded_at"][:10]
        recorded = "" if late == day else f", recorded {late}"
        if one["command"] != "ClosePlan":
            yield f"{one['command']} on {day} repeated{recorded}"
        elif len(closings) <= _CLOSINGS:
            yield f"closed through {day}{recorded}"


def main() -> None:
    """Write the vectors, their schema and their page."""
    FILE.write_text(written(), encoding="utf-8")
    SCHEMA.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
