"""The words of the report, in English: keys of the catalogues, as in `ledger.audit.messages`."""

from collections.abc import Mapping

from ledger.audit.messages import Sentence, one

TITLE = one("Report of the ledger")
SUBTITLE = one("{ledger}, on {date}")
KNOWN = one("As known at {known}")
UNREADABLE = one("Plans that cannot be read and are left out: {number}")
CONTENTS = one("Contents")
TABLE_BEHIND = one("The table behind the chart")
PLANS_IN = one("Plans in {currency}")
ROWS_BEHIND = one("Rows behind the numbers")
ROWS_NOTE = one("A number above shows its rows here.")
AUDIT = one("Audit")

SECTIONS: Mapping[str, tuple[Sentence, Sentence]] = {
    "portfolio": (
        one("Portfolio over time"),
        one("Plans by status at the end of each month, and the money applied to installments by then."),
    ),
    "collected": (
        one("Collected against scheduled"),
        one(
            "Scheduled: installments due in the month under the schedule in force, none after a cancellation. "
            "Collected: money applied to installments in the month, less money taken back."
        ),
    ),
    "past-due": (
        one("Days past due"),
        one("Plans in grace, by the days past due of the installment whose grace ends first."),
    ),
    "rolls": (
        one("Roll rates"),
        one(
            "Of the plans in a row at the end of a month, the percentage in each column at the end of the next one, "
            "over the last twelve whole months."
        ),
    ),
    "cohorts": (
        one("Cohorts by opening month"),
        one("Plans opened in a month, by their status on the date of the report."),
    ),
    "cancelled": (
        one("Percentage in cancelled plans, by three definitions"),
        one("The three differ: a percentage is quoted together with its definition."),
    ),
    "ahead": (
        one("Promised by month ahead"),
        one(
            "Shares that will be credited, and money that will fall due, if every plan is paid on schedule. "
            "Overdue installments stand in the month of the report."
        ),
    ),
    "acts": (
        one("Acts at discretion"),
        one("Allowed, and decided by somebody: not errors. The numbers are the difference that the act makes."),
    ),
    "findings": (
        one("Findings"),
        one("Everything that the audit found wrong in the ledger. No row: nothing was found."),
    ),
}
"""The title of each section, and the sentence below it."""

DEFINITIONS: Mapping[str, Sentence] = {
    "paid": one("Money paid in cancelled plans, of all money paid"),
    "price": one("Prices of cancelled plans, of all prices"),
    "plans": one("Cancelled plans, of all plans"),
}
"""The three definitions of the percentage in cancelled plans."""

STATUSES: Mapping[str, Sentence] = {
    "active": one("Active"),
    "in_grace": one("In grace"),
    "completed": one("Completed"),
    "cancelled": one("Cancelled"),
}
"""The statuses, as headings."""

BUCKET = one("{first} to {last} days past due")
LAST_BUCKET = one("{first} or more days past due")

ON = one("On")
MONTH = one("Month")
FROM = one("From")
PLAN = one("Plan")
PLANS = one("Plans")
INVESTOR = one("Investor")
PARTNER = one("Partner")
OPENED = one("Opened")
STATUS = one("Status")
PRICE = one("Price")
PAID = one("Paid")
PAID_IN_CANCELLED = one("Paid in cancelled plans")
SCHEDULED = one("Scheduled")
COLLECTED = one("Collected")
DAYS_PAST_DUE = one("Days past due")
AMOUNT_DUE = one("Amount due")
SHARES_AT_STAKE = one("Shares at stake")
SHARES_CREDITED = one("Shares credited")
SHARES_PROMISED = one("Shares promised")
SHARES_FORFEITED = one("Shares forfeited")
PACKAGE_SHARES = one("Package shares")
BONUS_SHARES = one("Bonus shares")
DEFINITION = one("Definition")
PERCENTAGE = one("Percentage")
ALL = one("All")
ACT = one("Act")
RECORDED = one("Recorded")
ACTOR = one("Actor")
PLACE = one("Place")
FINDING = one("Finding")
RULE = one("Rule")
EXPECTED = one("Expected")
FOUND = one("Found")
