"""Strategies: plans and that which happens to them, at random, near the days on which it matters.

Each argument narrows the domain. A failing example shrinks to a plan that a person can read: one installment of a
round amount, opened on the first day of a month, without promotions.
"""

from ledger.testing.strategies.actions import TROUBLE as TROUBLE
from ledger.testing.strategies.actions import Trouble as Trouble
from ledger.testing.strategies.histories import books as books
from ledger.testing.strategies.histories import commands as commands
from ledger.testing.strategies.histories import facts as facts
from ledger.testing.strategies.histories import histories as histories
from ledger.testing.strategies.plan_terms import CURRENCIES as CURRENCIES
from ledger.testing.strategies.plan_terms import ZONES as ZONES
from ledger.testing.strategies.plan_terms import money as money
from ledger.testing.strategies.plan_terms import openings as openings
from ledger.testing.strategies.plan_terms import promotions as promotions
from ledger.testing.strategies.plan_terms import rates as rates
from ledger.testing.strategies.plan_terms import schedules as schedules
from ledger.testing.strategies.plan_terms import terms as terms
from ledger.testing.strategies.recorded import Attempt as Attempt
from ledger.testing.strategies.recorded import Book as Book
from ledger.testing.strategies.recorded import History as History
