# An apt of the project's own, to be sourced from the project's root:
#
#   own_apt_prepare NAME TYPE [SUITE]   entries of TYPE deb or deb-src, of another suite if named
#   own_apt NAME COMMAND ARGS...        apt-get or apt-cache with them
#
# The entries are the machine's own for Debian's archive; lists and cache lie below build/apt/NAME.
# So it needs no root, changes nothing outside build/, and trusts exactly what the machine's apt
# trusts.

own_apt_root=$PWD/build/apt

own_apt() {
    apt_root=$own_apt_root/$1
    command=$2
    shift 2
    "$command" -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt_root/entries" \
        -o Dir::State::lists="$apt_root/lists" -o Dir::Cache="$apt_root/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}

# The machine's entries, in both formats, turned into entries of the type and suite wanted.
own_apt_entries() {
    apt_root=$own_apt_root/$1
    type=$2
    suite=${3:-}
    etc=$(apt-config shell d Dir::Etc/d)
    eval "$etc"
    for file in "$d/sources.list" "$d"/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        sed -n "s/^deb[[:space:]]\(.*\/debian.*\)/$type \1/p" "$file" |
            if [ -n "$suite" ]; then
                # The suite is the word behind the address; one entry is enough.
                sed "s/\(\/debian\/\{0,1\}\)[[:space:]]\{1,\}[^[:space:]]*/\1 $suite/" | grep -v security | head -n 1
            else
                cat
            fi
    done >"$apt_root/entries/machine.list"
    for file in "$d"/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        # One paragraph an entry; comments are dropped first, for they may stand inside one.
        grep -v '^#' "$file" | awk -v type="$type" -v suite="$suite" '
            BEGIN { RS = ""; ORS = "\n\n" }
            /URIs:[^\n]*\/debian/ {
                if (suite != "" && /security/)
                    next
                sub(/Types:[^\n]*/, "Types: " type)
                if (suite != "")
                    sub(/Suites:[^\n]*/, "Suites: " suite)
                print
            }'
    done >"$apt_root/entries/machine.sources"
}

own_apt_prepare() {
    apt_root=$own_apt_root/$1
    [ ! -e "$apt_root/updated" ] || return 0
    mkdir -p "$apt_root/entries" "$apt_root/lists/partial" "$apt_root/cache/archives/partial"
    own_apt_entries "$@"
    own_apt "$1" apt-get update >&2 || return 1
    : >"$apt_root/updated"
}
