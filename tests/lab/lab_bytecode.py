# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the bytecode of what Python imports from zip files, for all hosts of the lab: in CACHE, which they share.

A module of Ansible arrives as a zip file of sources, whose some fifty files Python compiles anew each time: a third of
the processor time that a module takes. Hosts load this when their Python starts (build_image.sh).
"""

# Without pathlib, which every start of Python would import.
# ruff: noqa: PTH118, PTH123, PTH105

import _imp
import marshal
import os
import sys
import zipimport

CACHE = "/var/cache/lab-bytecode"

compile_source = zipimport._compile_source


def compile_once(path, source):
    """Stands in for zipimport's own: `path` is of the file in the zip file, `source` its content in bytes."""
    inner = path.rpartition(".zip" + os.sep)[2]
    hashes = [_imp.source_hash(each, source + inner.encode()).hex() for each in (1, 2)]
    kept = os.path.join(CACHE, "-".join([sys.implementation.cache_tag, *hashes]))
    try:
        with open(kept, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError, TypeError):
        pass
    code = compile_source(path, source)
    written = f"{kept}.{os.getpid()}-{os.uname().nodename}"
    try:
        with open(written, "wb") as file:
            marshal.dump(code, file)
        os.replace(written, kept)
    except OSError:
        pass
    return code


if os.access(CACHE, os.W_OK):
    zipimport._compile_source = compile_once
