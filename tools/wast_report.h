#pragma once
// What `kwast wast` prints: what failed, as it fails, and a table of the suites at the end.

#include "tests/spec/runner.h"

struct wast_report;

// `each`: prints a line for each script and each exception as well.
struct wast_report *wast_report_create(bool each);
void wast_report_free(struct wast_report *report);

// As the members of struct spec_host; `report` is the context.
void wast_report_event(void *report, const struct spec_event *event);
void wast_report_script(void *report, struct bytes script, const struct spec_counts *counts);

// Prints the table. Whether there were assertions and nothing failed.
MUST_USE bool wast_report_finish(struct wast_report *report);
