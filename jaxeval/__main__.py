"""`python -m jaxeval`: the command line."""

import sys

from jaxeval.cli import main

sys.exit(main())
