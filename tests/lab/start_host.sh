#!/usr/bin/env bash
# start_host.sh LAB HOST IMAGE [MOUNT ...]: a host of the lab, up and through its boot. Says `started` when it was not.
# LAB_HOSTS names all of them in order. A host keeps its address, as a site's does, when it is killed and started again, too.
set -euo pipefail
lab=$1 host=$2 image=$3
shift 3
name=$lab-$host

if [[ $(podman container inspect --format '{{.State.Running}}/{{.ImageName}}' "$name" 2>/dev/null) == "true/$image" ]]; then
  exit 0
fi
# A container that was cut off cannot be trusted to boot; the lab's hosts hold nothing that a playbook cannot put back.
podman rm --force --time 0 --ignore "$name" >/dev/null

mounts=()
# Of all hosts, as they import the same modules of Ansible (lab_bytecode.py); not for benchmarks, since no site has it.
if [[ ${LAB_BYTECODE:-kept} == kept ]]; then
  bytecode=${HS_CACHE:?}/bytecode
  [[ -d $bytecode ]] || install -d -m 1777 "$bytecode"
  mounts+=(--volume "$bytecode:/var/cache/lab-bytecode")
fi
for mount in "$@"; do mounts+=(--volume "$mount"); done
# What hosts of this image fetched before (keep_packages.sh), each host with a layer of its own above it: apt locks its folders.
packages=$(readlink -f "$HS_CACHE/apt/${image##*:}/current" || true)
if [[ -d $packages/lists && -d $packages/cache ]]; then
  mounts+=(--volume "$packages/lists:/var/lib/apt/lists:O" --volume "$packages/cache:/var/cache/apt:O")
fi
subnet=$(podman network inspect --format '{{(index .Subnets 0).Subnet}}' "$lab")
# Names stand in /etc/hosts: podman's name server, which all labs share, at times knew no host of a lab any more.
number=10 names=()
for other in ${LAB_HOSTS:?}; do
  if [[ $other == "$host" ]]; then address=${subnet%.*}.$number; else names+=(--add-host "$other:${subnet%.*}.$number"); fi
  number=$((number + 1))
done
podman run --detach --name "$name" --hostname "$host" --network "$lab" --ip "$address" "${names[@]}" \
  --label "horizontal.scaling.lab=$lab" --systemd=always --privileged --stop-timeout 5 "${mounts[@]}" \
  "$image" /sbin/init >/dev/null

# Asked too early, systemd does not answer; then it answers when the boot has ended.
for _ in $(seq 60); do
  state=$(timeout 60 podman exec "$name" systemctl is-system-running --wait 2>/dev/null || true)
  case $state in
    running) echo "started $name"; exit 0 ;;
    degraded)
      echo "started $name; failed units: $(podman exec "$name" systemctl --failed --plain --no-legend | cut -d' ' -f1 | xargs)"
      exit 0 ;;
  esac
  sleep 0.5
done
echo "$name did not boot: ${state:-no answer}" >&2
podman logs --tail 20 "$name" >&2
exit 1
