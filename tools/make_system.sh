#!/bin/sh
# Puts the system together: make_system.sh FOLDER OUT.tar MODULE.wasm...
#
# FOLDER becomes the archive's tree: bin/ with the modules, and what user/etc has as etc/. A module
# that comes with a list of names (NAME.applets beside it, or `applets` in its folder of
# user/programs) gets them all, as links. Empty modules are those that could not be built, and are
# left out.
set -eu

folder=$1
out=$2
shift 2
rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/etc"
cp -r user/etc/* "$folder/etc"
for module; do
    [ -s "$module" ] || continue
    cp "$module" "$folder/bin"
    name=$(basename "$module")
    for names in "${module%.wasm}.applets" "user/programs/${name%.wasm}/applets"; do
        [ -e "$names" ] || continue
        while read -r applet; do
            [ -e "$folder/bin/$applet.wasm" ] || ln -s "$name" "$folder/bin/$applet.wasm"
        done <"$names"
    done
done
tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$folder" -cf "$out" bin etc
