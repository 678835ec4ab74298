#!/usr/bin/env python3
"""Draws a piece of a trace (`kwast run --trace`) as SVG: a row for each CPU, with who ran there, and a
row for each thread, with when it ran, its calls below that, and arrows for calls and replies. Times are
from the beginning of the piece. The same trace gives the same picture.

    tools/trace_picture.py TRACE.json PICTURE.svg [--from MS --length MS] [--rows NAME...]"""

import argparse
import json
import math
from html import escape

WIDTH, LABEL, ROW, BAR, TOP = 1100, 120, 44, 18, 34
CPUS = 2000000000
COLORS = ["#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b"]
STYLE = ("text{font:12px sans-serif;fill:#222}.in{fill:#fff;font-size:11px}.axis{stroke:#ccc}"
         ".arrow{stroke:#222;fill:none;marker-end:url(#tip)}.fault{fill:#d00}")


class Picture:
    def __init__(self, events, options):
        self.events = events
        self.start = options.start * 1000
        self.length = options.length * 1000
        self.out = []
        named = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
        tracks = sorted({(e["pid"], e["tid"]) for e in events if e["ph"] == "X" and self.is_seen(e)})
        cpus = [track for track in tracks if track[0] == CPUS]
        threads = [track for track in tracks if track[0] != CPUS and
                   (not options.rows or named[track] in options.rows)]
        self.rows = {track: i for i, track in enumerate(cpus + threads)}
        self.names = named
        self.colors = {}

    def is_seen(self, event):
        return event["ts"] < self.start + self.length and event["ts"] + event.get("dur", 0) >= self.start

    def x(self, ts):
        inside = min(max(ts - self.start, 0), self.length)
        return round(LABEL + inside * (WIDTH - LABEL - 10) / self.length, 1)

    def y(self, track):
        return TOP + self.rows[track] * ROW

    def color(self, name):
        return self.colors.setdefault(name, COLORS[len(self.colors) % len(COLORS)])

    def put(self, text):
        self.out.append(text)

    def axis(self):
        step = 10 ** int(math.floor(math.log10(self.length)))
        while self.length / step < 5:
            step /= 2
        bottom = TOP + len(self.rows) * ROW
        for i in range(int(self.length / step) + 1):
            x = self.x(self.start + i * step)
            self.put(f'<line class="axis" x1="{x}" x2="{x}" y1="20" y2="{bottom}"/>'
                     f'<text x="{x + 3}" y="16">{i * step:g} µs</text>')

    def labels(self):
        for track in self.rows:
            self.put(f'<text x="6" y="{self.y(track) + 14}">{escape(self.names[track])}</text>')

    def slices(self):
        for e in self.events:
            track = e["pid"], e["tid"]
            if e["ph"] != "X" or track not in self.rows or not self.is_seen(e):
                continue
            name = e["name"] if e["pid"] == CPUS else self.names[track]
            left, right = self.x(e["ts"]), self.x(e["ts"] + e["dur"])
            width = round(max(right - left, 0.6), 1)
            self.put(f'<rect x="{left}" y="{self.y(track)}" width="{width}" height="{BAR}" fill="{self.color(name)}"/>')
            if e["pid"] == CPUS and width > 7 * len(name):
                self.put(f'<text class="in" x="{left + 3}" y="{self.y(track) + 13}">{escape(name)}</text>')

    def calls(self):
        begun = {e["id"]: e for e in self.events if e["ph"] == "b"}
        for e in self.events:
            if e["ph"] != "e" or (e["pid"], e["tid"]) not in self.rows:
                continue
            left, right = self.x(begun[e["id"]]["ts"]), self.x(e["ts"])
            if right > left:
                y = self.y((e["pid"], e["tid"])) + BAR + 2
                self.put(f'<rect x="{left}" y="{y}" width="{round(right - left, 1)}" height="6" fill="#bbb"/>')

    def arrows(self):
        begun = {(e["name"], e["id"]): e for e in self.events if e["ph"] == "s"}
        for end in self.events:
            if end["ph"] != "f":
                continue
            start = begun[end["name"], end["id"]]
            tracks = [(e["pid"], e["tid"]) for e in (start, end)]
            if all(self.is_seen(e) for e in (start, end)) and all(t in self.rows for t in tracks):
                down = self.y(tracks[1]) > self.y(tracks[0])
                y1 = self.y(tracks[0]) + (BAR if down else 0)
                y2 = self.y(tracks[1]) + (0 if down else BAR)
                self.put(f'<path class="arrow" d="M{self.x(start["ts"])} {y1}L{self.x(end["ts"])} {y2}"/>')

    def svg(self):
        self.axis()
        self.labels()
        self.slices()
        self.calls()
        self.arrows()
        height = TOP + len(self.rows) * ROW
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
            f'<style>{STYLE}</style><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
            'markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', *self.out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace")
    parser.add_argument("picture")
    parser.add_argument("--from", dest="start", type=float, default=0, metavar="MS")
    parser.add_argument("--length", type=float, default=0, metavar="MS")
    parser.add_argument("--rows", nargs="*", metavar="NAME", help="the threads that get a row (default: all)")
    options = parser.parse_args()
    with open(options.trace) as file:
        events = json.load(file)["traceEvents"]
    if options.length == 0:
        options.length = max(e["ts"] + e.get("dur", 0) for e in events if "ts" in e) / 1000 - options.start
    with open(options.picture, "w") as file:
        file.write(Picture(events, options).svg())


if __name__ == "__main__":
    main()
