#!/usr/bin/env bash
# build_image.sh SUITE TAG PACKAGES registry|closed: a bootable Debian as a podman image.
set -euo pipefail
suite=$1 tag=$2 packages=$3 registry=$4
folder=$(mktemp -d "${TMPDIR:-/tmp}/lab-image.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# Services start when the host boots or a role says so, not while packages are unpacked here.
hooks=(--customize-hook='rm -f "$1"/etc/ssh/ssh_host_*_key*' --customize-hook='rm -f "$1"/etc/machine-id; touch "$1"/etc/machine-id')
for unit in haproxy nginx keepalived ssh; do
  hooks+=(--customize-hook="rm -f \"\$1\"/etc/systemd/system/multi-user.target.wants/$unit.service")
done
if [[ $registry == closed ]]; then
  hooks+=(--customize-hook='rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*')
fi
mmdebstrap --quiet --variant=minbase --include="$packages" "${hooks[@]}" "$suite" "$folder/base.tar"
podman import --quiet "$folder/base.tar" "$tag"
