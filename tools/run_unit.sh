#!/bin/sh
# Runs unit test programs one after the other; prints what failed whole, and a line for the rest.
# Exit status 1 when any failed or none ran.
passed=0 failed=0
for program in "$@"; do
    if output=$("$program" 2>&1); then
        tests=$(printf '%s\n' "$output" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' | awk '{n += $1} END {print n + 0}')
        passed=$((passed + tests))
        printf '  ok       %s (%s)\n' "${program#build/unit/}" "$tests"
    else
        failed=$((failed + 1))
        printf '  FAILED   %s\n%s\n' "${program#build/unit/}" "$output"
    fi
done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
