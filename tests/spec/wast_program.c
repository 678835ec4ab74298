// The `wast` command, a program of its own: it needs a library that `kwast` is better off without.

#include "tools/wast.h"

int main(int argc, char **argv) {
    return wast_main(argc, argv);
}
