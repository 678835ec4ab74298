#!/bin/sh
# Boots an ISO in QEMU, serial line on this terminal: run_iso.sh KWAST.iso [QEMU OPTIONS...]
# The directory that HOST names, if it does, is /host there, and may be written to.
# With a graphical desktop the machine's screen is a window; hardware acceleration is used where the
# processor offers it. Ctrl-A X ends QEMU, Ctrl-A H lists its keys.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 KWAST.iso [QEMU OPTIONS...]" >&2
    exit 2
fi
iso=$1
shift

display=none
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    for kind in gtk sdl; do
        if qemu-system-x86_64 -display help | grep -qx "$kind"; then
            display=$kind
            break
        fi
    done
fi

# As many CPUs as there are here, up to four.
cpus=$(nproc)
[ "$cpus" -le 4 ] || cpus=4

accel=tcg
if [ -w /dev/kvm ] && { [ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ]; }; then
    accel=kvm
fi

if [ -n "${HOST:-}" ]; then
    [ -d "$HOST" ] || { echo "$HOST: no such directory" >&2; exit 2; }
    path=$(printf %s "$HOST" | sed 's/,/,,/g')
    set -- -virtfs "local,path=$path,mount_tag=host,security_model=none,multidevs=remap" "$@"
fi

if [ -n "${DISK:-}" ]; then
    [ -f "$DISK" ] || { echo "$DISK: no such file" >&2; exit 2; }
    path=$(printf %s "$DISK" | sed 's/,/,,/g')
    set -- -drive "file=$path,format=raw,if=virtio" "$@"
fi

exec qemu-system-x86_64 -machine q35 -accel "$accel" -cpu max -m 512 -smp "$cpus" -no-reboot -nic none \
    -display "$display" -serial mon:stdio -cdrom "$iso" -boot d "$@"
