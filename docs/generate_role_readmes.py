#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every role's README.md from its argument specs; --check only says which are out of date."""

from __future__ import annotations

import json
import pathlib
import re
import sys
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKUP = re.compile(r"\b[BCIMOPV]\(([^)]*)\)|\bRV\(([^)]*)\)")


def text(value: t.Any) -> str:
    """A description as Markdown, on one line: Ansible's markup becomes code, table bars are kept apart."""
    lines = [value] if isinstance(value, str) else list(value or [])
    joined = " ".join(" ".join(str(line).split()) for line in lines)
    return MARKUP.sub(lambda match: f"`{match.group(1) or match.group(2)}`", joined).replace("|", "\\|")


def rows(options: t.Mapping[str, t.Any], prefix: str = "") -> t.Iterator[str]:
    for name, option in options.items():
        kind = option.get("type", "str") + (f" of {option['elements']}" if option.get("elements") else "")
        default = "**required**" if option.get("required") else ""
        if "default" in option:
            default = f"`{json.dumps(option['default'], ensure_ascii=False)}`".replace("|", "\\|")
        choices = "".join(f" `{choice}`" for choice in option.get("choices", ()))
        about = text(option.get("description")) + (f" One of{choices}." if choices else "")
        yield f"| `{prefix}{name}` | {kind} | {default} | {about} |"
        yield from rows(option.get("options", {}), f"{prefix}{name}{'[]' if option.get('elements') else ''}.")


def readme(role: pathlib.Path) -> str:
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    lines = [f"# {role.name}", "", "<!-- Written by docs/generate_role_readmes.py; do not edit. -->", ""]
    for entry, spec in specs.items():
        if entry != "main":
            lines += [f"## Entry point `{entry}`", ""]
        lines += [f"{text(spec['short_description'])}.".replace("..", "."), ""]
        lines += [text(line) for line in spec.get("description", [])] + [""]
        if spec.get("options"):
            lines += ["| variable | type | default | |", "| --- | --- | --- | --- |", *rows(spec["options"]), ""]
    lines += ["Licence: GPL-3.0-or-later"]
    return "\n".join(lines) + "\n"


def main(arguments: t.Sequence[str]) -> int:
    stale = []
    for specs in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        target = specs.parent.parent / "README.md"
        wanted = readme(specs.parent.parent)
        if target.exists() and target.read_text(encoding="utf-8") == wanted:
            continue
        stale.append(str(target.relative_to(ROOT)))
        if "--check" not in arguments:
            target.write_text(wanted, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"Out of date: {', '.join(stale)}. Run `make docs`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
