"""An explanation as sentences in a language, each with the sentences below it; the command line draws them."""

from collections.abc import Iterator
from datetime import date, datetime
from fractions import Fraction

import attrs

from ledger.audit import messages
from ledger.audit.explain import Explanation, Node, Reason, Source
from ledger.audit.language import Language
from ledger.money import Money

_TOGETHER = ",\N{NO-BREAK SPACE}"

_ROOTS = frozenset(
    (
        *("shares_credited", "shares_promised", "bonus_promised", "paid", "grace_ends_on"),
        *("released_in_all", "settled_in_all"),
    )
)
"""Numbers that have a tree of their own, or whose parts everybody knows: within another tree one line is enough."""


@attrs.frozen
class Sentence:
    """A sentence, and the sentences that explain it."""

    text: str
    below: tuple["Sentence", ...] = ()


def sentences(explanation: Explanation, language: Language) -> tuple[str, list[Sentence]]:
    """Return the title of an explanation, and its sentences, each with those below it."""
    return _title(explanation, language), list(_Writer(explanation.currency, language).all(explanation))


def _title(explanation: Explanation, language: Language) -> str:
    facts = {"plan": explanation.plan_id, "date": explanation.as_of}
    if explanation.known_at is None:
        return language.say(messages.TITLE, facts)
    by_instant = isinstance(explanation.known_at, datetime)
    title = messages.TITLE_KNOWN if by_instant else messages.TITLE_KNOWN_DAY
    return language.say(title, {**facts, "known": explanation.known_at})


class _Writer:
    def __init__(self, currency: str, language: Language) -> None:
        self._currency = currency
        self._language = language

    def all(self, explanation: Explanation) -> Iterator[Sentence]:
        """Yield the sentences of an explanation."""
        for tree in (explanation.tree, *explanation.beside):
            if tree is explanation.tree or tree.children:  # nothing is promised, forfeited or held
                yield self._node(tree, root=True)
        if explanation.reasons:
            heading = self._language.say(messages.REASONS_HEADING)
            yield Sentence(heading, tuple(self._reason(reason) for reason in explanation.reasons))

    def _reason(self, reason: Reason) -> Sentence:
        text = self._language.say(messages.REASONS[reason.name], reason.facts)
        return Sentence(text + self._cited(reason.rule, reason.events))

    def _node(self, node: Node, *, root: bool = False, less: bool = False) -> Sentence:
        label = self._language.say(messages.LABELS[node.name], node.facts)
        text = self._language.fill(messages.LINE, label=label, amount=self._value(node))
        computed = node.operation == "floor" or node.name.startswith("installment")
        if computed and node.children:
            text += f" = {self._rounded(node)}"
        shown = () if computed or node.operation == "status" or (node.name in _ROOTS and not root) else node.children
        below = tuple(
            self._node(child, less=node.operation == "difference" and index > 0) for index, child in enumerate(shown)
        )
        return Sentence(f"{'− ' if less else ''}{text}{self._cited(node.rule, node.events)}", below)

    def _cited(self, rule: str | None, events: tuple[Source, ...]) -> str:
        """Return the section of the rules and the events, in brackets."""
        parts = [] if rule is None else [f"§\N{NO-BREAK SPACE}{rule.rpartition(' ')[2]}"]
        parts += [f"#{version}" for version in sorted({one.version for one in events if one.version is not None})]
        if any(one.version is None for one in events):
            parts.append(self._language.say(messages.NOT_RECORDED))
        return f" [{_TOGETHER.join(parts)}]" if parts else ""

    # ---- values and formulas

    def _value(self, node: Node) -> str:
        """Return a value with its unit."""
        language, value = self._language, node.value
        if isinstance(value, date):
            return language.date(value)
        if isinstance(value, str):
            return language.say(messages.STATUSES[value])
        if node.unit == "days":
            return language.days(int(value))
        return language.shares(int(value)) if node.unit == "shares" else self._plain(node)

    def _plain(self, node: Node) -> str:
        """Return a number without the noun of its unit, as a formula shows it."""
        value = node.value
        assert not isinstance(value, (str, date)), node
        if node.unit == "money":
            return self._language.money(Money(int(value), self._currency))
        return self._language.percent(int(value)) if node.unit == "basis_points" else self._language.number(value)

    def _rounded(self, node: Node) -> str:
        formula = self._formula(node)
        if node.operation == "floor" and not self._is_exact(node):
            return self._language.fill(messages.ROUNDED_DOWN, formula=formula)
        return formula

    def _is_exact(self, node: Node) -> bool:
        numerator, divisor = (child.value for child in node.children)
        assert isinstance(numerator, (int, Fraction)), node
        assert isinstance(divisor, int), node
        return numerator % divisor == 0

    def _formula(self, node: Node) -> str:
        """Return the operands of a number; divisors that only change a unit are left out."""
        if node.operation == "floor":
            numerator, divisor = node.children
            formula = self._formula(numerator)
            return formula if divisor.operation == "constant" else f"{formula} ÷ {self._plain(divisor)}"
        if node.operation == "product":
            return " × ".join(self._operand(child) for child in node.children)
        if node.operation == "difference":
            first, *others = node.children
            less = [self._plain(other) for other in others if other.value]
            return " − ".join([f"({self._rounded(first)})" if less else self._rounded(first), *less])
        return self._plain(node)

    def _operand(self, node: Node) -> str:
        if node.operation == "sum":
            return f"({' + '.join(map(self._plain, node.children))})"
        return self._formula(node)
