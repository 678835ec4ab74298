#!/bin/sh
# Fetches and unpacks a Debian source package:
#   tools/fetch-source.sh NAME      afterwards build/sources/NAME is the unpacked source
#
# Uses apt with a configuration of its own below build/apt: the machine's own Debian sources, asked
# for source packages, with lists and cache apart. So it needs no root, changes nothing outside
# build/, and trusts exactly what the machine's apt trusts.
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

own_apt() {
    command=$1
    shift
    "$command" -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$root/entries" \
        -o Dir::State::lists="$root/lists" -o Dir::Cache="$root/cache" -o APT::Sandbox::User=root \
        -o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}

# The machine's entries for Debian's own archive, both formats, turned into entries for sources.
write_sources() {
    etc=$(apt-config shell d Dir::Etc/d)
    eval "$etc"
    for file in "$d/sources.list" "$d"/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        sed -n 's/^deb[[:space:]]\(.*\/debian.*\)/deb-src \1/p' "$file"
    done >"$root/entries/machine.list"
    for file in "$d"/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        # One paragraph an entry; comments are dropped first, for they may stand inside one.
        grep -v '^#' "$file" | awk 'BEGIN { RS = ""; ORS = "\n\n" } /URIs:[^\n]*\/debian/ {
            sub(/Types:[^\n]*/, "Types: deb-src"); print }'
    done >"$root/entries/machine.sources"
}

if [ ! -e "$root/updated" ]; then
    mkdir -p "$root/entries" "$root/lists/partial" "$root/cache/archives/partial"
    write_sources
    own_apt apt-get update >&2
    : >"$root/updated"
fi

work=$PWD/build/sources/.$name
rm -rf "$work"
mkdir -p "$work"

# The newest version that can be had: a mirror may lack what its lists name.
versions=$(own_apt apt-cache --only-source showsrc "$name" | sed -n 's/^Version: //p' | sort -Vru)
for version in $versions; do
    if (cd "$work" && own_apt apt-get source "$name=$version" >/dev/null 2>"$root/$name.log"); then
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
