#!/bin/sh
# Makes a bootable ISO for BIOS and UEFI: mkiso.sh KERNEL.elf MODULE OUT.iso [COMMAND LINE...]
set -eu

if [ $# -lt 3 ]; then
    echo "usage: $0 KERNEL.elf MODULE OUT.iso [COMMAND LINE...]" >&2
    exit 2
fi
kernel=$1
module=$2
out=$3
shift 3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree
mkdir -p "$tree/boot/grub"
cp "$kernel" "$tree/boot/kernel.elf"
cp "$module" "$tree/boot/system.tar"
# The kernel takes its image as it is loaded: its debug information only makes the medium slower.
llvm-strip-19 --strip-debug "$tree/boot/kernel.elf"

cat > "$tree/boot/grub/grub.cfg" <<CONFIG
set timeout=1
set default=0
insmod all_video
set gfxpayload=1024x768x32,auto
menuentry "Kwast" {
    multiboot2 /boot/kernel.elf $*
    module2 /boot/system.tar system.tar
    boot
}
menuentry "Kwast, the kernel's own prompt" {
    multiboot2 /boot/kernel.elf $* prompt
    module2 /boot/system.tar system.tar
    boot
}
CONFIG

# grub-mkrescue reports its progress on stderr: shown only when it fails.
if ! grub-mkrescue -o "$out" "$tree" > "$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    exit 1
fi
