"""What tests share: the checkout, and small stand-ins for dumps, shards, models and servers."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("WIKILM_SHARED", ROOT.parent / "shared")) / "data"  # real dumps, where there are some
