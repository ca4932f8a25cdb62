#!/usr/bin/env bash
# build_image.sh SUITE TAG PACKAGES registry|closed [COMMAND]: a bootable Debian as a podman image, in which COMMAND was run.
set -euo pipefail
suite=$1 tag=$2 packages=$3 registry=$4 after=${5:-}
folder=$(mktemp -d "${TMPDIR:-/tmp}/lab-image.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# Services start when the host boots or a role says so, not while packages are unpacked here.
options=(--customize-hook='rm -f "$1"/etc/ssh/ssh_host_*_key*' --customize-hook='rm -f "$1"/etc/machine-id; touch "$1"/etc/machine-id')
for unit in haproxy nginx keepalived ssh; do
  options+=(--customize-hook="rm -f \"\$1\"/etc/systemd/system/multi-user.target.wants/$unit.service")
done
lab=$(dirname "$0")
options+=(--dpkgopt="$lab/dpkg.cfg" --customize-hook="copy-in $lab/lab_bytecode.py $lab/lab_bytecode.pth /usr/lib/python3/dist-packages")
if [[ $registry == closed ]]; then
  options+=(--customize-hook='rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*')
fi
[[ -z $after ]] || options+=(--customize-hook="chroot \"\$1\" $after")
mmdebstrap --quiet --variant=minbase --include="$packages" "${options[@]}" "$suite" "$folder/base.tar"
podman import --quiet "$folder/base.tar" "$tag"
