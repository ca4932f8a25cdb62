# SPDX-License-Identifier: GPL-3.0-or-later
"""The load tools are scripts of tests/load, not part of the collection."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "load"))
