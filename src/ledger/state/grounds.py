"""The grounds of a state: which money and which promotions it counts. An explanation names them."""

from typing import NamedTuple

from ledger.terms.promos import Award
from ledger.terms.schedule import Installment


class Grounds(NamedTuple):
    """What a state rests on.

    `applied` and `waiting` are the references of the payments that make up the money paid and the unapplied money, in
    order of arrival. `at_once` are the awards credited when they were earned and still standing. `considered` are the
    awards among which stacking chooses on completion, and `on_completion` those that completion credits, has credited
    or, on a cancelled plan, would have credited. `late` is the installment whose due date was the first to pass unpaid,
    as it was then; `bonuses_wait` is False after a reinstatement, which loses what completion would have credited.
    """

    applied: tuple[str, ...]
    waiting: tuple[str, ...]
    at_once: tuple[Award, ...]
    considered: tuple[Award, ...]
    on_completion: tuple[Award, ...]
    late: Installment | None
    bonuses_wait: bool
