#!/usr/bin/env bash
# issue_certificates.sh DIRECTORY HOST...: a certificate authority, and a certificate for each host.
set -euo pipefail
mkdir -p "$1"
cd "$1"
shift
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${key[@]}" -days 30 -subj /CN=lab -keyout ca.key -out ca.pem
for host; do
  openssl req "${key[@]}" -subj "/CN=$host" -keyout "$host.key" -out "$host.csr"
  openssl x509 -req -in "$host.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -out "$host.pem" \
    -extfile <(printf 'subjectAltName=DNS:%s' "$host")
done
