#!/usr/bin/env bash
# issue_certificates.sh DIRECTORY: a certificate authority, and certificates for a.example.org and b.example.org by it.
set -euo pipefail
mkdir -p "$1"
cd "$1"
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
[[ -e ca.pem ]] || openssl req -x509 "${key[@]}" -days 30 -subj /CN=lab -keyout ca.key -out ca.pem
for name in a b renewed; do
  [[ -e $name.pem ]] && continue
  host=${name/renewed/a}.example.org
  openssl req "${key[@]}" -subj "/CN=$host" -keyout "$name.key" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -out "$name.pem" \
    -extfile <(printf 'subjectAltName=DNS:%s' "$host")
done
