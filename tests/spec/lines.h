#pragma once
// How a machine that runs scripts tells its starter, on standard output: lines of words that a tab
// separates, each a number, a name or a text.
//
//   event VERDICT COMMAND LINE SCRIPT TEXT      as struct spec_event
//   script SCRIPT COUNT...                      all counts, verdict by verdict
//   end STATUS                                  the last line: of spec_run

#define SPEC_LINE_BYTES  1024u
#define SPEC_LINE_EVENT  "event"
#define SPEC_LINE_SCRIPT "script"
#define SPEC_LINE_END    "end"
