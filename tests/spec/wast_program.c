// The `wast` command as a program of its own, for builds without the rest of the tools.

#include "tools/wast.h"

int main(int argc, char **argv) {
    return wast_main(argc, argv);
}
