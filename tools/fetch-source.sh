#!/bin/sh
# Fetches and unpacks a Debian source package:
#   tools/fetch-source.sh NAME      afterwards build/sources/NAME is the unpacked source
#
# By an apt of the project's own (tools/own_apt.sh): no root, nothing changed outside build/.
set -eu

name=${1:?usage: tools/fetch-source.sh NAME}
cd "$(dirname "$0")/.."
mkdir -p build/sources build/apt
root=$PWD/build/apt
target=$PWD/build/sources/$name
[ -d "$target" ] && exit 0

command -v dpkg-source >/dev/null || {
    echo "kwast: $name: dpkg-source is missing (Debian's package dpkg-dev)" >&2
    exit 1
}

# Only one at a time may prepare the lists.
exec 9>"$root/lock"
flock 9

. tools/own_apt.sh
own_apt_prepare source deb-src

work=$PWD/build/sources/.$name
rm -rf "$work"
mkdir -p "$work"

# The newest version that can be had: a mirror may lack what its lists name.
versions=$(own_apt source apt-cache --only-source showsrc "$name" | sed -n 's/^Version: //p' | sort -Vru)
for version in $versions; do
    if (cd "$work" && own_apt source apt-get source "$name=$version" >/dev/null 2>"$root/$name.log"); then
        for folder in "$work"/*/; do # there is only one: the source
            mv "$folder" "$target"
        done
        rm -rf "$work"
        exit 0
    fi
done
rm -rf "$work"
echo "kwast: $name: its source cannot be fetched with this machine's apt sources" >&2
[ ! -e "$root/$name.log" ] || cat "$root/$name.log" >&2
exit 1
