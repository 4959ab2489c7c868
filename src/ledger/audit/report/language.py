"""TEMPORARY."""

from fractions import Fraction
from datetime import date
from ledger.money import Money


class Language:
    code = "en"

    def gettext(self, text: str) -> str:
        return text

    def number(self, value: int) -> str:
        return f"{value:,}"

    def money(self, value: Money) -> str:
        return f"{value:,}"

    def percent(self, share: Fraction) -> str:
        return f"{float(share):.1%}"

    def day(self, day: date) -> str:
        return f"{day.day} {day:%b %Y}"

    def month(self, day: date) -> str:
        return f"{day:%b %Y}"

    def status(self, status: str) -> str:
        return {"active": "Active", "in_grace": "In grace", "cancelled": "Cancelled", "completed": "Completed"}[status]
