#!/usr/bin/env bash
# issue_certificates.sh DIRECTORY FILE[=NAME[,NAME]...]...: a certificate authority of the lab, and by it FILE.pem and FILE.key for the
# names, or for FILE itself; all of them anew. A FILE that is called `expired` has been so since yesterday.
# As strict verifiers want them: the authority with its key usage, the others with the identifier of its key.
set -euo pipefail
mkdir -p "$1"
cd "$1"
shift
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${key[@]}" -days 30 -subj /CN=lab -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem
for wanted; do
  file=${wanted%%=*} names=${wanted#*=} days=20
  [[ $file != expired ]] || days=-1
  openssl req "${key[@]}" -subj "/CN=${names%%,*}" -keyout "$file.key" -out "$file.csr"
  openssl x509 -req -in "$file.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" -out "$file.pem" \
    -extfile <(printf 'subjectAltName=DNS:%s\nauthorityKeyIdentifier=keyid' "${names//,/,DNS:}")
done
