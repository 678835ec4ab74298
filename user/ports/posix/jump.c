// What the compiler calls for setjmp and longjmp. longjmp throws an exception; each function on the
// way that has called setjmp catches it and asks whether it was meant.

#include <stdint.h>

#include "user/ports/posix/include/setjmp.h"

#define TAG_LONGJMP 1 // the compiler's number for its tag

// setjmp was called: `label` says where, in the call `call` of a function.
void __wasm_setjmp(void *buffer, uint32_t label, void *call);
void __wasm_setjmp(void *buffer, uint32_t label, void *call) {
    jmp_buf *jump = buffer;
    (*jump)->call = call;
    (*jump)->label = label;
}

// Where in `call` the buffer leads to; 0: not there.
uint32_t __wasm_setjmp_test(void *buffer, void *call);
uint32_t __wasm_setjmp_test(void *buffer, void *call) {
    jmp_buf *jump = buffer;
    return (*jump)->call == call ? (*jump)->label : 0;
}

__attribute__((noreturn)) void __wasm_longjmp(void *buffer, int value);
void __wasm_longjmp(void *buffer, int value) {
    jmp_buf *jump = buffer;
    (*jump)->jump.buffer = buffer;
    (*jump)->jump.value = value == 0 ? 1 : value;
    __builtin_wasm_throw(TAG_LONGJMP, &(*jump)->jump);
}
