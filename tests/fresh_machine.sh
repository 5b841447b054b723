#!/usr/bin/env bash
# tests/fresh_machine.sh bookworm|trixie: makes a bare Debian (minbase, ca-certificates, git) in a temporary folder and
# runs the README's two commands in it. By hand, as root, with debootstrap; takes about half an hour.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
suite=${1:-}
fail() {
  echo "fresh_machine: $1" >&2
  exit 1
}
[[ $suite == bookworm || $suite == trixie ]] || fail "usage: tests/fresh_machine.sh bookworm|trixie"
[[ $(id -u) -eq 0 ]] || fail "chroot needs root; run it with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is missing; run: apt-get install debootstrap"
[[ -z $(git -C "$root" status --porcelain --untracked-files=no) ]] ||
  echo "fresh_machine: only what is committed is tested; the checkout has changes that are not" >&2

machine=$(mktemp -d "${TMPDIR:-/tmp}/normscope-$suite-XXXXXX")
clean_up() {
  local folder
  for folder in dev proc; do
    if mountpoint -q "$machine/$folder"; then umount "$machine/$folder" || umount -l "$machine/$folder"; fi
  done
  # Never into a mount that would not go away: /dev below is this machine's.
  if mountpoint -q "$machine/dev" || mountpoint -q "$machine/proc"; then
    echo "fresh_machine: $machine is still mounted; unmount it and remove it by hand" >&2
  else
    rm -rf --one-file-system "$machine"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The mirror of this machine: the first Debian archive in its apt sources (both formats), else the usual one.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
  grep -E '^(deb |URIs:)' | grep -oE 'https?://[^] ]+' | grep -E '/debian/?$' | head -n 1 || true)
mirror=${mirror:-http://deb.debian.org/debian}

timed() {
  local name=$1 start=$SECONDS
  shift
  "$@" || fail "$name failed on $suite after $((SECONDS - start)) s"
  times+=("$name: $((SECONDS - start)) s")
}
times=()

bare_machine() {
  debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$machine" "$mirror" >"$machine.log" 2>&1 || {
    tail -n 20 "$machine.log" >&2
    return 1
  }
  rm -f "$machine.log"
  # What lets this machine reach its mirror: proxies, name resolution, certificates of its own.
  local file
  for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    if [[ -f $file ]] && grep -qiE 'proxy|Acquire::' "$file"; then cp "$file" "$machine/etc/apt/apt.conf.d/"; fi
  done
  cp -L /etc/resolv.conf /etc/hosts "$machine/etc/" 2>/dev/null || true
  if compgen -G "/usr/local/share/ca-certificates/*.crt" >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$machine/usr/local/share/ca-certificates/"
    chroot "$machine" update-ca-certificates >/dev/null 2>&1
  fi
  mount -t proc proc "$machine/proc" 2>/dev/null || mount --bind /proc "$machine/proc"
  mount --bind /dev "$machine/dev"
}

checkout() {
  mkdir "$machine/work"
  git clone --quiet --no-hardlinks "$root" "$machine/work/main"
  if [[ -d $root/../shared ]]; then cp -r "$root/../shared" "$machine/work/shared"; fi
}

inside() { chroot "$machine" env -u TMPDIR HOME=/root LC_ALL=C.UTF-8 "/work/main/$1"; }

timed "bare $suite" bare_machine
timed "checkout" checkout
timed "script/demo" inside script/demo
timed "script/test" inside script/test
printf 'fresh_machine: %s\n' "${times[@]}"
