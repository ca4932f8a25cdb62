#!/usr/bin/env bash
# images.sh system|services: container images for the cluster, as an archive that is built once. Prints its name.
#   system           pause, CoreDNS
#   services IMAGE   the releases of claims-service and the load generator, on the hosts' image
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/lab/environment.sh
source "$here/../environment.sh"
folder=$(mktemp -d "${TMPDIR:-/tmp}/lab-image.XXXXXX")
trap 'rm -rf "$folder"' EXIT
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

pack() {
  local target=$1
  shift
  podman save --quiet --format docker-archive --multi-image-archive --output "$folder/images.tar" "$@" >/dev/null
  mv "$folder/images.tar" "$target"
  echo "$target"
}

system() {
  local programs target
  programs=$("$here/build.sh")
  target=$HS_CACHE/kubernetes/system-$(hs_key "$here/images.sh" <(echo "$programs")).tar
  if [[ -e $target ]]; then echo "$target"; return; fi
  say "Building the images of the cluster itself"
  cp "$programs"/{pause,coredns} "$folder/"
  local name images=()
  for name in pause coredns; do
    printf 'FROM scratch\nCOPY %s /%s\nENTRYPOINT ["/%s"]\n' "$name" "$name" "$name" >"$folder/Containerfile"
    podman build --quiet --tag "localhost/$name:lab" --file "$folder/Containerfile" "$folder" >/dev/null
    images+=("localhost/$name:lab")
  done
  pack "$target" "${images[@]}"
}

services() {
  local base=$1 target
  "$here/../build_vegeta.sh"
  target=$HS_CACHE/kubernetes/services-$(hs_key "$here/images.sh" "$here/../build_artifacts.py" "$here"/../claims_service/*/*.py "$here/../claims_service/bin/claims-service" \
    <(echo "$base"; readlink "$HS_CACHE/bin/vegeta")).tar
  if [[ -e $target ]]; then echo "$target"; return; fi
  say "Building the images of claims-service"
  python "$here/../build_artifacts.py" "$folder" >/dev/null
  cat >"$folder/Base" <<EOF
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-aiohttp python3-prometheus-client >/dev/null && rm -rf /var/lib/apt/lists /var/cache/apt
EOF
  podman build --quiet --network host --tag "localhost/claims-service-base:${base##*:}" --file "$folder/Base" "$folder" >/dev/null
  local archive version images=(localhost/load-generator:lab)
  cp "$(readlink -f "$HS_CACHE/bin/vegeta")" "$folder/vegeta"
  printf 'FROM %s\nCOPY vegeta /usr/local/bin/vegeta\nUSER 10001:10001\n' "$base" >"$folder/Load"
  podman build --quiet --tag localhost/load-generator:lab --file "$folder/Load" "$folder" >/dev/null
  for archive in "$folder"/claims-service-*.tar.gz; do
    version=${archive##*/claims-service-}
    version=${version%.tar.gz}
    cat >"$folder/Release" <<EOF
FROM localhost/claims-service-base:${base##*:}
ADD ${archive##*/} /opt/claims-service/
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/opt/claims-service/bin/claims-service"]
EOF
    podman build --quiet --tag "localhost/claims-service:$version" --file "$folder/Release" "$folder" >/dev/null
    images+=("localhost/claims-service:$version")
  done
  pack "$target" "${images[@]}"
}

mkdir -p "$HS_CACHE/kubernetes"
"$@"
