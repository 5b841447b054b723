#!/bin/sh
# Puts Tiny Shakespeare into data/shakespeare/input.txt: fetch.sh [COPY]
# Without COPY: a copy beside the checkout if there is one, else a download. The SHA-256 is checked either way.
set -u
sum=86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed
url=https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
here=$(cd "$(dirname "$0")" && pwd) || exit 1
beside=$here/../../../shared/data/tinyshakespeare/input.txt
target=$here/input.txt

fail() {
  echo "fetch.sh: $1" >&2
  exit 1
}
is_it() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$sum" ]; }

if [ $# -eq 0 ] && is_it "$target"; then
  echo "$target exists"
  exit 0
fi

temporary=$(mktemp "$here/.input.XXXXXX" 2>/dev/null) || fail "cannot write into $here; check its permissions"
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

if [ $# -gt 0 ]; then
  [ -r "$1" ] || fail "cannot read $1; give a copy of Tiny Shakespeare, or nothing to download it"
  source=$1
elif is_it "$beside"; then
  source=$beside
else
  source=$url
fi
if [ "$source" != "$url" ]; then
  cp "$source" "$temporary" || fail "cannot copy $source to $here; check the space there"
elif command -v curl >/dev/null; then
  curl -fsSL --max-time 120 -o "$temporary" "$url" || fail "cannot download $url; give a copy: fetch.sh COPY"
elif command -v wget >/dev/null; then
  wget -q -T 120 -O "$temporary" "$url" || fail "cannot download $url; give a copy: fetch.sh COPY"
else
  fail "neither curl nor wget is installed; install one or give a copy: fetch.sh COPY"
fi
is_it "$temporary" || fail "$source is not Tiny Shakespeare (its SHA-256 is not $sum); give another copy"
chmod 644 "$temporary" && mv "$temporary" "$target" || fail "cannot write $target; check its permissions"
echo "wrote $target"
