#!/usr/bin/env bash
# Both ends of the range of ansible-core: unit tests, syntax of every playbook and sanity, on the newest end all of it.
# The newest end needs Python 3.12 or later; a machine without one says so and tests the oldest end alone, all of it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh

newer_python() {
  local candidate
  for candidate in python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

# What the unit tests import beside it.
needs=(pytest crossplane 'psycopg[binary]')

venv_for() { # python, requirement
  local venv
  venv=$HS_CACHE/core-$({ echo "$2 ${needs[*]}"; "$1" -VV; } | sha256sum | cut -c1-12)
  if [[ ! -e $venv/.complete ]]; then
    rm -rf "$venv"
    "$1" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$2" "${needs[@]}"
    touch "$venv/.complete"
  fi
  echo "$venv"
}

# shebang refuses every program that is no module, such as those that roles install; in place of pylint ruff checks.
everything=(--skip-test pylint --skip-test shebang)
documented=(--test validate-modules --test action-plugin-docs --test runtime-metadata --test import --test compile)

mapfile -t playbooks < <(basename --suffix .yml playbooks/*.yml | sed 's/^/horizontal.scaling./')

check_end() { # python, requirement, arguments of ansible-test
  local venv
  venv=$(venv_for "$1" "$2")
  echo "--- $2: $("$venv/bin/ansible" --version | head -1)"
  shift 2
  (
    PATH=$venv/bin:$PATH
    python -m pytest
    ansible-playbook -i inventories/vm --syntax-check -e rollout_service=claims-service "${playbooks[@]}"
    tests/sanity.sh "$@"
  )
}

oldest='ansible-core>=2.17,<2.18'
newest=$(newer_python)
if [[ -n $newest ]]; then
  check_end "$HS_PYTHON" "$oldest" "${documented[@]}"
  check_end "$newest" 'ansible-core>=2.21' "${everything[@]}"
else
  echo "No Python 3.12 or later here: the newest ansible-core was not tested."
  check_end "$HS_PYTHON" "$oldest" "${everything[@]}"
fi
