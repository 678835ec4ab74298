"""The results as tables for people, on standard error: a row for each benchmark, a column for each
peer with the ratio to it. They are Markdown, to be put into docs/benchmarks.md as they are."""

import sys


def number(value):
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def marked(result, text):
    """With what the bar says of it, where there is one."""
    verdict = {True: "", False: " **missed**", None: ""}[result.is_met()]
    return f"{text} (bar {number(result.bar)}){verdict}" if result.bar is not None else text


def rows_of(results):
    """The heads, and the cells of each benchmark."""
    peers = list(dict.fromkeys(result.peer for result in results if result.peer is not None))
    rows = {}
    for result in results:
        # A mean has no value of its own, only ratios.
        value = "" if result.name.endswith(".geomean") else f"{number(result.value)} {result.unit}"
        row = rows.setdefault(result.name, {"": value})
        if result.peer is None:
            row[""] = marked(result, value)
        else:
            row[result.peer] = marked(result, number(result.ratio))
    return [["benchmark", "Kwast", *(f"over {peer}" for peer in peers)],
            *([name, row[""], *(row.get(peer, "") for peer in peers)] for name, row in rows.items())]


def print_rows(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        cells = " | ".join(cell.ljust(width) for cell, width in zip(row, widths))
        print(f"| {cells} |", file=sys.stderr)
    print(file=sys.stderr)


def print_table(results):
    """One table for each family."""
    families = dict.fromkeys(result.name.split(".")[0] for result in results)
    for family in families:
        print_rows(rows_of([result for result in results if result.name.split(".")[0] == family]))
