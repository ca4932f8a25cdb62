#!/usr/bin/env bash
# allow_ssh.sh LAB HOST ...: a user with a key and sudo on each host that has sshd, as a site has it, and what the client needs in
# HS_STATE/ssh/LAB: key, known_hosts (host keys come over podman, so checking them means something) and config.
# Hosts without sshd stay out of the config. Says `wrote` when something changed.
set -euo pipefail
lab=$1
shift
folder=$HS_STATE/ssh/$lab
# Sockets have short paths only; those of a container that is gone are never taken for its successor's.
sockets=${TMPDIR:-/tmp}/hs-ssh-$UID
mkdir -p -m 700 "$folder" "$sockets"
chmod 700 "$folder" "$sockets"
[[ -e $folder/key ]] || ssh-keygen -q -t ed25519 -N '' -C "$lab" -f "$folder/key"

allow() { # host
  local name=$lab-$1 id address
  # Prints the public host key.
  podman exec --interactive "$name" sh -eu >"$folder/$1.hostkey" <<HOST || return
[ -x /usr/sbin/sshd ] || exit 0
id deployer >/dev/null 2>&1 || useradd --create-home --shell /bin/bash deployer
install -d -m 700 -o deployer -g deployer /home/deployer/.ssh
echo '$(<"$folder/key.pub")' > /home/deployer/.ssh/authorized_keys
chown deployer:deployer /home/deployer/.ssh/authorized_keys
echo 'deployer ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deployer
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
systemctl enable --quiet --now ssh 2>/dev/null
cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub
HOST
  read -r id address < <(podman container inspect --format "{{.Id}} {{(index .NetworkSettings.Networks \"$lab\").IPAddress}}" "$name")
  [[ -s $folder/$1.hostkey ]] && cat >"$folder/$1.config" <<CONFIG
Host $name
  HostName $address
  HostKeyAlias $name-${id:0:12}
  User deployer
  IdentityFile $folder/key
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known_hosts
  StrictHostKeyChecking yes
  ControlMaster auto
  ControlPersist 5m
  ControlPath $sockets/%k
  ConnectTimeout 10
  ServerAliveInterval 5
  ServerAliveCountMax 4
CONFIG
  [[ ! -s $folder/$1.hostkey ]] || sed -i "s/^/$name-${id:0:12} /" "$folder/$1.hostkey"
}

rm -f "$folder"/*.hostkey "$folder"/*.config
running=()
for host in "$@"; do
  allow "$host" &
  running+=($!)
done
for process in "${running[@]}"; do wait "$process"; done

join() { # suffix, file
  cat /dev/null $(compgen -G "$folder/*.$1") >"$folder/$2.new"
  if cmp -s "$folder/$2" "$folder/$2.new"; then rm "$folder/$2.new"; else mv "$folder/$2.new" "$folder/$2" && echo "wrote $2"; fi
}
join hostkey known_hosts
join config config
