#!/usr/bin/env bash
# issue_certificates.sh DIRECTORY: a certificate authority, and a certificate for each host; replicas are reached by pool1, too.
# As strict verifiers want them: the authority with its key usage, the others with the identifier of its key.
set -euo pipefail
mkdir -p "$1"
cd "$1"
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${key[@]}" -days 30 -subj /CN=lab -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem
# One that has expired.
openssl req "${key[@]}" -subj /CN=pool1 -keyout expired.key -out expired.csr
openssl x509 -req -in expired.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -out expired.pem
for host in db1 db2 db3 pool1; do
  openssl req "${key[@]}" -subj "/CN=$host" -keyout "$host.key" -out "$host.csr"
  openssl x509 -req -in "$host.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -out "$host.pem" \
    -extfile <(printf 'subjectAltName=DNS:%s,DNS:pool1\nauthorityKeyIdentifier=keyid' "$host")
done
