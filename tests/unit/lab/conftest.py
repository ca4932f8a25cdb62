# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the lab's own code importable: claims_service and build_artifacts."""

from __future__ import annotations

import pathlib
import sys

LAB = pathlib.Path(__file__).resolve().parents[2] / "lab"
for folder in (LAB, LAB / "claims_service"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
