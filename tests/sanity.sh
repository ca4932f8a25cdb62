#!/usr/bin/env bash
# sanity.sh [ansible-test arguments]: ansible-test sanity of the files that git tracks, with the ansible-test on PATH.
# Needs package registries alone: pip comes from Python itself instead of a download.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$HS_STATE/ansible-test
tree=$home/ansible_collections
rm -rf "$tree"
mkdir -p "$tree/horizontal/scaling" "$home/.ansible/test/cache"
ln -s "$HS_BUNDLE/ansible_collections/ansible" "$tree/ansible"
git ls-files -z --cached --others --exclude-standard | tar --null --files-from - --ignore-failed-read -cf - | tar -xf - -C "$tree/horizontal/scaling"
rm -f "$tree/horizontal/scaling/ansible.cfg"
for version in $(python -c '
import ansible_test, pathlib, re
for path in pathlib.Path(ansible_test.__file__).parent.joinpath("_internal").rglob("*.py"):
    print(*re.findall(r"\bpip=[\x27\"]([0-9.]+)", path.read_text()))
'); do
  cp tests/pip_bootstrap.py "$home/.ansible/test/cache/get_pip_${version//./_}.py"
done
cd "$tree/horizontal/scaling"
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache} HOME=$home
python_version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
exec ansible-test sanity --color no --python "$python_version" --exclude tests/ --exclude molecule/ "$@"
