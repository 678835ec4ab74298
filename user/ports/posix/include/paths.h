#pragma once
#define _PATH_BSHELL  "/boot/bin/sh.wasm"
#define _PATH_DEVNULL "/dev/null"
#define _PATH_TTY     "/dev/tty"
#define _PATH_VARTMP  "/tmp/"
