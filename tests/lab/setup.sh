#!/usr/bin/env bash
# Installs what the project's own tools need: system packages (as root), a virtual environment, collections.
# Idempotent and quick when nothing is missing; caches are keyed by what they depend on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/lab/environment.sh
source "$here/environment.sh"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

packages=(podman runc netavark aardvark-dns containernetworking-plugins mmdebstrap nftables iptables conmon python3-venv git make
          openssh-client openssl gnupg)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  if ((EUID)); then
    echo "These packages are missing and need root to install: ${missing[*]}" >&2
    exit 1
  fi
  say "Installing packages: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$HS_CACHE/bin" "$HS_STATE"
exec 9>"$HS_CACHE/lock"
flock 9

if [[ ! -e $HS_VENV/.complete ]]; then
  say "Creating the virtual environment"
  rm -rf "$HS_VENV"
  "$HS_PYTHON" -m venv "$HS_VENV"
  "$HS_VENV/bin/pip" install --quiet --disable-pip-version-check -r "$HS_ROOT/tests/requirements.txt"
  touch "$HS_VENV/.complete"
fi

if [[ ! -e $HS_BUNDLE/.complete ]]; then
  say "Fetching collections"
  rm -rf "$HS_BUNDLE"
  "$HS_VENV/bin/python" "$here/fetch_collections.py" "$HS_ROOT/tests/collections.txt" "$HS_BUNDLE"
  touch "$HS_BUNDLE/.complete"
fi

# The checkout and the fetched collections, as one collections path.
tree=$HS_STATE/collections/ansible_collections
mkdir -p "$tree/horizontal"
ln -sfn "$HS_ROOT" "$tree/horizontal/scaling"
for namespace in "$HS_BUNDLE"/ansible_collections/*/; do
  ln -sfn "${namespace%/}" "$tree/$(basename "$namespace")"
done
