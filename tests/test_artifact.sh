#!/usr/bin/env bash
# Builds the artifact, installs it into an empty directory and runs its playbooks by FQCN.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

copy=$folder/source
mkdir "$copy"
git ls-files -z | tar --null --files-from - -cf - | tar -xf - -C "$copy"
ansible-galaxy collection build "$copy" --output-path "$folder"
ANSIBLE_COLLECTIONS_PATH=$folder/installed ansible-galaxy collection install "$folder"/horizontal-scaling-*.tar.gz --no-deps -p "$folder/installed"

# Tests and the lab stay out of the artifact.
installed=$folder/installed/ansible_collections/horizontal/scaling
for unwanted in tests molecule Makefile .ci .config AGENTS.md inventories/lab; do
  if [[ -e $installed/$unwanted ]]; then
    echo "The artifact carries $unwanted" >&2
    exit 1
  fi
done

# The installed copy alone, with the collections it depends on.
for namespace in ansible community; do
  ln -s "$HS_BUNDLE/ansible_collections/$namespace" "$folder/installed/ansible_collections/$namespace"
done
cd "$folder"
unset ANSIBLE_CONFIG
export ANSIBLE_COLLECTIONS_PATH=$folder/installed
mapfile -t playbooks < <(basename --suffix .yml "$installed"/playbooks/*.yml | sed 's/^/horizontal.scaling./')
ansible-playbook "${playbooks[@]}" -i "$installed/inventories/vm" --syntax-check -e rollout_service=claims-service
if ansible-playbook horizontal.scaling.deploy -i "$installed/inventories/vm" -e rollout_service=no-such-service \
  -e rollout_version=1.0.0 --list-hosts | grep -q app1; then
  echo "deploy of an unknown service would touch hosts" >&2
  exit 1
fi

# One of them for real, with roles, modules and filters of the installed copy; without a platform there is nothing to show.
ansible-playbook horizontal.scaling.show_rollouts -i localhost, -c local -e ansible_python_interpreter="$HS_VENV/bin/python" \
  -e rollout_hosts=localhost -e rollout_ledger_host=localhost -e rollout_ledger_path="$folder/ledger" | tee "$folder/shown"
grep -q 'SERVICE .*ROLLOUT .*STATE' "$folder/shown"
