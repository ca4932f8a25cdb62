#!/usr/bin/env bash
# keep_packages.sh LAB: keeps what apt fetched in the lab's hosts, so that the next hosts of the same image fetch nothing twice.
# A generation is never changed once it is `current`, since running hosts lie on it. Best effort: a lab is destroyed all the same.
set -u
lab=$1 apt=$HS_CACHE/apt
mkdir -p "$apt"
exec 9>"$apt/lock"
flock --nonblock 9 || exit 0

# Folders of a host, seen from outside: it may be too broken to run a command.
keep() { # root of the host, key of its image
  local root=$1 base=$apt/$2 old new package fresh=()
  compgen -G "$root/var/lib/apt/lists/*_Packages*" >/dev/null || return 0
  old=$(readlink -f "$base/current" 2>/dev/null) || old=
  for package in "$root"/var/cache/apt/archives/*.deb; do
    [[ -e $package && ! -e $old/cache/archives/${package##*/} ]] && fresh+=("$package")
  done
  if [[ -n $old && ${#fresh[@]} == 0 && -z $(find "$old" -maxdepth 0 -mmin +1440) ]]; then return 0; fi

  mkdir -p "$base"
  new=$(mktemp -d "$base/generation.XXXXXX") || return 0
  chmod 755 "$new"
  cp -a "$root/var/lib/apt/lists" "$new/lists" && mkdir -p "$new/cache/archives" || return 0
  cp -a "$root"/var/cache/apt/*.bin "$new/cache/" 2>/dev/null
  if [[ -n $old ]]; then cp -al "$old"/cache/archives/*.deb "$new/cache/archives/" 2>/dev/null; fi
  ((${#fresh[@]})) && cp -a "${fresh[@]}" "$new/cache/archives/"
  cp -a "$root/var/cache/apt/archives/partial" "$new/cache/archives/" 2>/dev/null
  rm -f "$new"/lists/lock "$new"/lists/partial/* "$new"/cache/archives/partial/*
  ln -sfn "$new" "$base/next" && mv -T "$base/next" "$base/current" && echo "kept ${#fresh[@]} packages"
  # Those of a day ago have no host any more.
  find "$base" -mindepth 1 -maxdepth 1 -name 'generation.*' ! -path "$new" -mmin +1440 -exec rm -rf {} +
}

podman ps --filter "label=horizontal.scaling.lab=$lab" --format '{{.Pid}} {{.Image}}' | while read -r pid image; do
  if [[ $pid =~ ^[1-9][0-9]*$ ]]; then keep "/proc/$pid/root" "${image##*:}"; fi
done
exit 0
