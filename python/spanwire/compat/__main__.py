"""``python -m spanwire.compat dashboard``."""

import sys

from .dashboard import main

sys.exit(main())
