#!/usr/bin/env bash
# build_mongodb_repository.sh ARCHIVE DIRECTORY: a signed apt repository with the server of an archive as the vendor's packages, and its key as key.asc.
set -euo pipefail
archive=$1 place=$2 version=6.0.5
rm -rf "$place"
mkdir -p "$place/pool" "$place/work/server/DEBIAN" "$place/work/shell/DEBIAN" "$place/work/server/etc"
trap 'gpgconf --homedir "$place/work/gpg" --kill all; rm -rf "$place/work"' EXIT
server=$place/work/server
mkdir -p "$server/usr/bin"
tar -xzf "$archive" -C "$server/usr" --strip-components=1
# A package brings a configuration of its own, which has no TLS.
printf 'net:\n  bindIp: 127.0.0.1\n' >"$server/etc/mongod.conf"
echo /etc/mongod.conf >"$server/DEBIAN/conffiles"
cat >"$server/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
getent passwd mongodb >/dev/null || useradd --system --user-group --no-create-home --home-dir /var/lib/mongodb --shell /usr/sbin/nologin mongodb
POSTINST
chmod 755 "$server/DEBIAN/postinst"
control() { printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: The lab\nDescription: %s\n' "$@"; }
{ control mongodb-org-server $version 'the server'; echo 'Depends: libcurl4, libssl3'; } >"$server/DEBIAN/control"
control mongodb-mongosh $version 'an empty stand-in for the shell' >"$place/work/shell/DEBIAN/control"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$server" "$place/pool" >/dev/null
dpkg-deb --root-owner-group -Zgzip -z1 --build "$place/work/shell" "$place/pool" >/dev/null

mkdir -m 700 "$place/work/gpg"
sign=(gpg --homedir "$place/work/gpg" --batch --quiet --pinentry-mode loopback --passphrase '')
"${sign[@]}" --quick-generate-key 'The lab <lab@example.org>' ed25519 sign never 2>/dev/null
"${sign[@]}" --armor --export >"$place/key.asc"
for listed in $version 8.0.4; do
  suite=bookworm/mongodb-org/${listed%.*}
  mkdir -p "$place/dists/$suite/main/binary-amd64"
  for package in "$place"/pool/*.deb; do
    dpkg-deb --field "$package" | sed "s/^Version: .*/Version: $listed/"
    printf 'Filename: pool/%s\nSize: %s\nSHA256: %s\n\n' "$(basename "$package")" "$(stat -c %s "$package")" "$(sha256sum <"$package" | cut -d' ' -f1)"
  done >"$place/dists/$suite/main/binary-amd64/Packages"
  cd "$place/dists/$suite"
  {
    printf 'Origin: mongodb\nSuite: %s\nCodename: %s\nArchitectures: amd64\nComponents: main\nDate: %s\nSHA256:\n' "$suite" "$suite" "$(date -Ru)"
    printf ' %s %s main/binary-amd64/Packages\n' "$(sha256sum <main/binary-amd64/Packages | cut -d' ' -f1)" "$(stat -c %s main/binary-amd64/Packages)"
  } | "${sign[@]}" --clearsign >InRelease
done
