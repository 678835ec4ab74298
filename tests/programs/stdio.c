// Standard input and output in C: formats, buffering, arguments, environment, and standard input
// by lines.

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static void formats(void) {
    printf("[%d] [%5d] [%-5d] [%05d] [%+d] [%x] [%#o] [%X]\n", 42, 42, 42, 42, 42, 0xbeef, 8,
           0xCAFE);
    printf("[%" PRId64 "] [%" PRIu64 "] [%zu]\n", INT64_MIN, UINT64_MAX, sizeof(void *));
    printf("[%f] [%.0f] [%10.3f] [%e] [%g] [%g] [%a]\n", 3.14159, 2.5, -1.0 / 3, 12345.678, 1e-7,
           1e20, 0.1);
    printf("[%f] [%f] [%f] [%g]\n", INFINITY, -INFINITY, (double)NAN, -0.0);
    printf("[%g] [%g] [%.17g]\n", DBL_MAX, DBL_MIN, 0.1);
    printf("[%s] [%.3s] [%8s] [%-8s] [%c] [%%]\n", "text", "truncated", "right", "left", 'c');
    printf("%.10f %.10f %.10f %.10f\n", sin(1), exp(1), pow(2, 0.5), log(10));
    printf("%.0f %.0f %.0f %.0f\n", nearbyint(0.5), nearbyint(1.5), floor(-0.5), ceil(-0.5));
}

static void parsing(void) {
    char *end;
    printf("%ld %s\n", strtol("123abc", &end, 10), end);
    printf("%lu\n", strtoul("ffffffff", NULL, 16));
    errno = 0;
    printf("%ld %s\n", strtol("99999999999", NULL, 10), strerror(errno));
    printf("%.17g %.17g\n", strtod("0.1", NULL), strtod("1e-320", NULL));
    int a, b;
    char word[16];
    printf("%d", sscanf("7 words 0x1f", "%d %15s %i", &a, word, &b));
    printf(" %d %s %d\n", a, word, b);
}

static void buffering(void) {
    static char buffer[64];
    fflush(stdout);
    setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    for (int i = 0; i < 40; i++)
        printf("%d,", i * i);
    putchar('\n');
    fflush(stdout);
    setvbuf(stdout, NULL, _IONBF, 0);
    fputs("unbuffered", stdout);
    putchar('\n');
    setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
    fputs("by lines\n", stdout);
    fwrite("nul \0 inside\n", 1, 13, stdout);
}

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        printf("argv[%d] = '%s'\n", i, argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("environ: '%s'\n", *variable);
    printf("A is %s\n", getenv("A") == NULL ? "not set" : getenv("A"));
    formats();
    parsing();
    buffering();

    char line[128];
    size_t lines = 0, bytes = 0;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        lines++;
        bytes += strlen(line);
    }
    printf("%zu lines, %zu bytes, eof %d, error %d\n", lines, bytes, feof(stdin) != 0,
           ferror(stdin) != 0);
    fprintf(stderr, "to standard error\n");
    return argc > 1 ? atoi(argv[1]) : 0;
}
