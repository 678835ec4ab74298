#!/usr/bin/env python3
"""Which source files a configured busybox consists of: reads .config and the Kbuild files of the
current folder, prints a path a line."""

import re
from pathlib import Path

FOLDERS = ("libbb", "coreutils", "coreutils/libcoreutils", "editors", "findutils", "archival",
           "archival/libarchive", "miscutils", "util-linux", "procps", "console-tools",
           "debianutils")
# Of the network, of which there is none, and of serial lines.
LEFT_OUT = {f"libbb/{name}.c" for name in ("bb_getsockname", "herror_msg", "inet_common",
                                           "speed_table", "xconnect", "xgethostbyname")}


def main():
    config = Path(".config").read_text()
    chosen = {line.partition("=")[0] for line in config.splitlines() if line.endswith("=y")}
    found = {}
    for folder in FOLDERS:
        text = (Path(folder) / "Kbuild").read_text().replace("\\\n", " ")
        common = re.search(r"^COMMON_FILES\s*:=(.*)", text, re.MULTILINE)
        text = text.replace("$(COMMON_FILES)", common[1] if common else "")
        text = re.sub(r"#.*", "", text)
        for line in text.splitlines():
            match = re.match(r"\s*lib-(y|\$\((CONFIG_\w+)\))\s*[+:]?=(.*)", line)
            if match and (match[1] == "y" or match[2] in chosen):
                for name in re.findall(r"\S+\.o\b", match[3]):
                    found[f"{folder}/{Path(name).stem}.c"] = None
    print("\n".join(path for path in found if path not in LEFT_OUT))


main()
