#pragma once
// The subcommands of `kwast`. Each takes the arguments after its own name and returns the exit
// code.

int run_main(int argc, char **argv);
int compile_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int trace_main(int argc, char **argv);
