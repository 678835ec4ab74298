// The smallest program that says something: what it takes is what starting a program takes.

#include <unistd.h>

int main(void) {
    static const char text[] = "hello\n";
    return write(1, text, sizeof(text) - 1) == sizeof(text) - 1 ? 0 : 1;
}
