"""`python -m aml` is `aml`."""

import sys

from aml.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
