"""`python -m runtime` is `nectar`."""

import sys

from runtime.cli import main

sys.exit(main())
