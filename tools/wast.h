#pragma once
// `kwast wast [--quiet] [--blob OUT] SCRIPT.json...`: runs specification scripts on this host, or
// writes them as one blob for the kernel to run. argv[0] is the name to complain under.

int wast_main(int argc, char **argv);
