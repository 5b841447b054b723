#!/bin/sh
# Puts Tiny Shakespeare into data/shakespeare/input.txt: fetch.sh [COPY]
# Without COPY: a copy beside the checkout if there is one, else a download. The SHA-256 is checked either way.
# Exit codes: 1 cannot read COPY or write here, 3 neither curl nor wget, 4 no network, 5 time-out, 6 HTTP error,
# 7 another text (wrong SHA-256), 8 the disk is full, 9 the download failed in another way.
set -u
sum=86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed
url=https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
here=$(cd "$(dirname "$0")" && pwd) || exit 1
beside=$here/../../../shared/data/tinyshakespeare/input.txt
target=$here/input.txt
host=${url#https://}
host=${host%%/*}
seconds=120

fail() {
  echo "fetch.sh: $2" >&2
  exit "$1"
}
is_it() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$sum" ]; }
cannot_write() {
  free=$(df -Pk "$here" 2>/dev/null | awk 'NR == 2 { print $4 }')
  [ "${free:-0}" -ge 2048 ] || fail 8 "the disk of $here is full; 2 MB are needed"
  fail 1 "cannot write into $here; check its permissions and quota"
}
no_network() { fail 4 "no network reaches $host; connect, or give a copy: fetch.sh COPY"; }
timed_out() { fail 5 "$host did not answer within $seconds s; try again, or give a copy: fetch.sh COPY"; }
http_error() { fail 6 "$host refuses $url with an HTTP error${1:+ ($1)}; give a copy: fetch.sh COPY"; }
other() { fail 9 "the download of $url failed ($1 ends with $2); give a copy: fetch.sh COPY"; }

download() {
  if command -v curl >/dev/null; then
    status=$(curl -fsSL --max-time "$seconds" -w '%{http_code}' -o "$temporary" "$url" 2>/dev/null)
    code=$?
    case $code in  # curl(1), EXIT CODES
      0) ;;
      5 | 6 | 7) no_network ;;
      22) http_error "$status" ;;
      23) cannot_write ;;
      28) timed_out ;;
      *) other curl "$code" ;;
    esac
  elif command -v wget >/dev/null; then
    said=$(LC_ALL=C wget -nv -t 1 -T "$seconds" -O "$temporary" "$url" 2>&1)
    code=$?
    case $code in  # wget(1), EXIT STATUS: 4 stands for a time-out, too
      0) ;;
      3) cannot_write ;;
      4) case $said in *"timed out"*) timed_out ;; *) no_network ;; esac ;;
      8) http_error "" ;;
      *) other wget "$code" ;;
    esac
  else
    fail 3 "neither curl nor wget is installed; install one, or give a copy: fetch.sh COPY"
  fi
}

if [ $# -eq 0 ] && is_it "$target"; then
  echo "$target exists"
  exit 0
fi

temporary=$(mktemp "$here/.input.XXXXXX" 2>/dev/null) || cannot_write
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

source=$url
if [ $# -gt 0 ]; then
  [ -r "$1" ] || fail 1 "cannot read $1; give a copy of Tiny Shakespeare, or nothing to download it"
  source=$1
elif is_it "$beside"; then
  source=$beside
fi
if [ "$source" = "$url" ]; then
  download
else
  cp "$source" "$temporary" 2>/dev/null || cannot_write
fi
is_it "$temporary" || fail 7 "$source is not Tiny Shakespeare (its SHA-256 is not $sum); give another copy"
chmod 644 "$temporary" && mv "$temporary" "$target" || cannot_write
echo "wrote $target"
