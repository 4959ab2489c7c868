"""The door to Hypothesis: a missing one is said in a sentence that names the extra."""

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ImportError("Hypothesis is not installed; install installment-ledger[testing]") from error

__all__ = ["st"]
