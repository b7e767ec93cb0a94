from __future__ import annotations

import sys

from oc.egress.main import main

sys.exit(main())
