// The machine's consoles, serial line and screen, and messages of the port itself.

#include "base/fmt.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/early.h"

// People look at the line, and at the screen where there is none.
bool arch_console_write(const char *text, usize len) {
    bool is_shown = serial_write(text, len);
    framebuffer_write(text, len);
    return serial_is_present() ? is_shown : !framebuffer_is_yielded();
}

bool arch_console_is_lent(void) {
    return serial_is_present() ? serial_is_yielded() : framebuffer_is_yielded();
}

bool arch_console_read(u8 *out) {
    return serial_read(out);
}

bool arch_console_ended(void) {
    return false; // somebody can always come
}

void arch_console_size(u32 *columns, u32 *rows) {
    framebuffer_size(columns, rows);
}

static void console_sink(UNUSED void *context, const char *text, usize len) {
    arch_console_write(text, len);
}

void console_print(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fmt_write(console_sink, NULL, format, args);
    va_end(args);
}

void boot_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    console_print("Kwast cannot start: ");
    fmt_write(console_sink, NULL, format, args);
    console_print("\n");
    va_end(args);
    arch_halt();
}
