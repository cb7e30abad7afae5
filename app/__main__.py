"""`python -m app` is `property-hub`."""

import sys

from app.cli import main

sys.exit(main())
