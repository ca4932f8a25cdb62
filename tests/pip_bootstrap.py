#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip script that ansible-test would download: pip from Python's own ensurepip.

ansible-test runs it as `get-pip.py [pip options] pip==VERSION …` in an empty virtual environment.
"""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys

os.environ.pop("PIP_CONFIG_FILE", None)
ensurepip.bootstrap(upgrade=True)
os.environ.pop("PIP_CONFIG_FILE", None)  # ensurepip points it to nowhere
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
