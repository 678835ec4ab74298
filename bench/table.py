"""The results as a table for people, on standard error."""

import sys


def number(value):
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_table(results):
    heads = ["benchmark", "value", "unit", "peer", "peer's", "ratio", "bar", ""]
    rows = [heads]
    for result in results:
        verdict = {True: "met", False: "MISSED", None: ""}[result.is_met()]
        rows.append([result.name, number(result.value), result.unit, result.peer or "",
                     number(result.peer_value), number(result.ratio), number(result.bar), verdict])
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    left = {0, 2, 3, 7}
    for row in rows:
        cells = [cell.ljust(width) if column in left else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip(), file=sys.stderr)
