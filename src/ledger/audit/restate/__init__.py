"""Restatements: the answer that was given then, the answer that is given now, and the facts learnt in between.

The facts are taken in one by one in the order in which they were recorded, each with the difference that it makes; the
differences add up to that between the two answers.
"""

from ledger.audit.restate.answers import Answer as Answer
from ledger.audit.restate.answers import Learnt as Learnt
from ledger.audit.restate.answers import Restatement as Restatement
from ledger.audit.restate.many_plans import restate_many as restate_many
from ledger.audit.restate.one_plan import restate_plan as restate_plan
