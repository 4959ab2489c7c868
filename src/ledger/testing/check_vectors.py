"""The checker of golden vectors and of answers to them. Standard library only: one file, run as it is.

    python check_vectors.py vectors.json                  the vectors: their form, and their sums
    python check_vectors.py vectors.json answers.json     the answers of another implementation

`answers.json` holds, by the name of a case, a list with one object per question in the vector's `answers`; of the three
fields `position`, `overdue` and `outcomes` those that are there are compared, and of `position` and `overdue` the
fields that are there. Exit status: 0 as it should be, 1 differences, 2 a file that could not be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

FORMAT = "installment-ledger-vectors/1"
CASE = (
    *("name", "section", "shows", "terms", "opened_on", "schedule"),
    *("facts", "without_effect", "refused", "answers"),
)
ANSWER = ("as_of", "known_at", "position", "overdue", "outcomes")
STATUSES = ("active", "in_grace", "cancelled", "completed")
MOST = 20
"""Differences that are printed."""


# ---------------------------------------------------------------- the vectors
def faults(data: Any) -> Iterator[str]:
    """Yield the faults in a file of vectors: in its form, and in sums that every answer must keep."""
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("cases"), list):
        yield f"the file is no {FORMAT}: an object with `format` and a list of `cases`"
        return
    seen: set[str] = set()
    for number, case in enumerate(data["cases"], 1):
        name = case.get("name") if isinstance(case, dict) else None
        at = f"case {name or number}"
        if not isinstance(case, dict) or sorted(case) != sorted(CASE):
            yield f"{at}: not the fields {', '.join(CASE)}"
            continue
        if name in seen:
            yield f"{at}: its name is taken"
        seen.add(str(name))
        try:
            yield from (f"{at}: {fault}" for fault in case_faults(case))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield f"{at}: {type(error).__name__} {error}"


def case_faults(case: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of one case."""
    if not case["answers"] and not case["refused"]:
        yield "nothing is asked and nothing refused"
    if case["schedule"]:
        yield from schedule_faults(case["schedule"], case["terms"], date.fromisoformat(case["opened_on"]))
    instants = [datetime.fromisoformat(fact["recorded_at"]) for fact in case["facts"]]
    if instants != sorted(instants) or any(at.tzinfo is None for at in instants):
        yield "the instants of recording decrease, or have no offset"
    if any(fact["effective_on"] < case["opened_on"] for fact in case["facts"]):
        yield "a fact is effective before the opening"
    yield from (
        f"{sent['command']} without effect: {fault}"
        for sent in case["without_effect"]
        for fault in idle_faults(sent, case)
    )
    for answer in case["answers"]:
        at = f"as of {answer.get('as_of')}, known at {answer.get('known_at')}"
        if sorted(answer) != sorted(ANSWER):
            yield f"{at}: not the fields {', '.join(ANSWER)}"
            continue
        for check in (balance_faults, outcome_faults, overdue_faults):
            yield from (f"{at}: {fault}" for fault in check(answer, case["terms"]))


def idle_faults(sent: dict[str, Any], case: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of a command without effect: a closing, or the repetition of a fact recorded by then."""
    arguments = sent["arguments"]
    if sent["command"] == "ClosePlan":
        if arguments["through"] < case["opened_on"]:
            yield "it closes books before the opening"
        return
    at = datetime.fromisoformat(sent["recorded_at"])
    known = [fact for fact in case["facts"] if datetime.fromisoformat(fact["recorded_at"]) <= at]
    if not any(fact["reference"] == arguments["reference"] for fact in known):
        yield f"nothing with the reference {arguments['reference']!r} is recorded by then"


def schedule_faults(lines: list[dict[str, Any]], terms: dict[str, Any], opened_on: date) -> Iterator[str]:
    """Yield the faults of a schedule."""
    dues = [date.fromisoformat(line["due_on"]) for line in lines]
    if sum(line["amount"] for line in lines) != terms["price"]["minor"]:
        yield "the schedule does not add up to the price"
    if any(line["amount"] <= 0 or line["shares"] < 0 for line in lines):
        yield "an installment has no amount, or negative shares"
    if sum(line["shares"] for line in lines) > terms["shares"]:
        yield "the installments release more shares than the package has"
    if [line["number"] for line in lines] != list(range(1, terms["installments"] + 1)):
        yield "the installments are not numbered from 1"
    if dues != sorted(set(dues)) or dues[0] < opened_on:
        yield "the due dates do not increase from the opening on"


def balance_faults(answer: dict[str, Any], terms: dict[str, Any]) -> Iterator[str]:
    """Yield where an answer breaks the sums that hold at every date: RULES.md section 8."""
    position = answer["position"]
    shares = [position[f"shares_{word}"] for word in ("credited", "promised", "forfeited")]
    if sum(shares) != terms["shares"] or min(shares) < 0:
        yield "credited, promised and forfeited do not add up to the package"
    if position["paid"]["minor"] + position["outstanding"]["minor"] != terms["price"]["minor"]:
        yield "paid and outstanding do not add up to the price"
    if position["status"] not in STATUSES:
        yield f"the status is {position['status']!r}"


def outcome_faults(answer: dict[str, Any], _terms: dict[str, Any]) -> Iterator[str]:
    """Yield where the outcomes of an answer do not add up to its position."""
    position: dict[str, Any] = answer["position"]
    of: dict[str, list[dict[str, Any]]] = {}
    for outcome in answer["outcomes"]:
        of.setdefault(outcome["type"].partition(".")[0], []).append(outcome)
        if outcome["effective_on"] > answer["as_of"]:
            yield "an outcome is effective later"
    credited = [*of.get("installment_settled", ()), *of.get("plan_completed", ())]
    if sum(outcome["shares"] for outcome in credited) != position["shares_credited"]:
        yield "the outcomes do not add up to the shares credited"
    if sum(outcome["shares"] for outcome in of.get("promo_applied", ())) != position["bonus_credited"]:
        yield "the promotions do not add up to the bonus credited"
    if len(of.get("installment_settled", ())) != position["settled"]:
        yield "the settled installments are not those of the outcomes"


def overdue_faults(answer: dict[str, Any], terms: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of the row of the overdue list: RULES.md section 6."""
    position, overdue = answer["position"], answer["overdue"]
    if (overdue is None) != (position["status"] != "in_grace"):
        yield "a row of the overdue list is that of a plan in grace"
    if overdue is None:
        return
    left = date.fromisoformat(overdue["grace_ends_on"]) - date.fromisoformat(answer["as_of"])
    if overdue["days_left"] != left.days or overdue["days_past_due"] + overdue["days_left"] != terms["grace_days"]:
        yield "days past due and days left are not those of the grace"
    if overdue["shares_at_stake"] != position["shares_promised"] + position["bonus_promised"]:
        yield "the shares at stake are not those promised"


# ---------------------------------------------------------------- the answers of a candidate
def differences(data: dict[str, Any], candidate: Any) -> Iterator[str]:
    """Yield where the answers of a candidate differ from the vectors, or are missing."""
    if not isinstance(candidate, dict):
        yield "the answers are no object with a list of answers for each name of a case"
        return
    names = {case["name"] for case in data["cases"]}
    yield from (f"case {name}: there is no such case" for name in candidate if name not in names)
    for case in data["cases"]:
        given = candidate.get(case["name"])
        if not isinstance(given, list) or len(given) != len(case["answers"]):
            yield f"case {case['name']}: expected a list of {len(case['answers'])} answers"
            continue
        for expected, found in zip(case["answers"], given, strict=True):
            at = f"case {case['name']} (section {case['section']}), as of {expected['as_of']}"
            at += f", known at {expected['known_at']}" if expected["known_at"] else ""
            yield from (f"{at}: {difference}" for difference in answer_differences(expected, found))


def answer_differences(expected: dict[str, Any], found: Any) -> Iterator[str]:
    """Yield where one answer differs."""
    if not isinstance(found, dict) or not {"position", "overdue", "outcomes"} & found.keys():
        yield "expected an object with `position`, `overdue` or `outcomes`"
        return
    for part in ("position", "overdue"):
        if part in found:
            yield from part_differences(part, expected[part], found[part])
    if "outcomes" in found:
        before, after = (
            [json.dumps(one, sort_keys=True) for one in many] for many in (expected["outcomes"], found["outcomes"])
        )
        yield from (f"outcomes: {one} is missing" for one in before if one not in after)
        yield from (f"outcomes: {one} is too many" for one in after if one not in before)


def part_differences(part: str, expected: Any, found: Any) -> Iterator[str]:
    """Yield where the fields that are there differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in found.items():
            if name not in expected:
                yield f"{part}.{name} is no field"
            else:
                yield from part_differences(f"{part}.{name}", expected[name], value)
    elif expected != found or type(expected) is not type(found):
        yield f"{part} is {json.dumps(found)}, expected {json.dumps(expected)}"


def main(arguments: list[str]) -> int:
    """Check, print what differs, and return the exit status."""
    if len(arguments) not in (1, 2):
        print("usage: python check_vectors.py vectors.json [answers.json]", file=sys.stderr)
        return 2
    read = []
    for name in arguments:
        try:
            read.append(json.loads(Path(name).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 2
    found = list(faults(read[0]))
    if not found and len(read) > 1:
        found = list(differences(read[0], read[1]))
    for difference in found[:MOST]:
        print(difference)
    if len(found) > MOST:
        print(f"and {len(found) - MOST} more")
    if not found:
        asked = sum(len(case["answers"]) for case in read[0]["cases"])
        print(f"{len(read[0]['cases'])} cases, {asked} answers: all as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
