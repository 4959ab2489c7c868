"""`python -m ledger`: the installed command."""

import sys

from installment_ledger import main

if __name__ == "__main__":
    sys.exit(main())
