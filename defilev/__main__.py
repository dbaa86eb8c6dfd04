"""`python -m defilev` is `defilev`."""

import sys

from defilev.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
