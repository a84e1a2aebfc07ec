"""Make the random designs and mappings importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[2] / "hw"), str(Path(__file__).parent)]
