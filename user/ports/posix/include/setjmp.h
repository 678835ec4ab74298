#pragma once
// There is no way back out of a function: longjmp ends the program.
typedef int jmp_buf[1];
typedef jmp_buf sigjmp_buf;
#define setjmp(buffer)          ((void)(buffer), 0)
#define sigsetjmp(buffer, mask) ((void)(buffer), 0)
__attribute__((noreturn)) void longjmp(jmp_buf buffer, int value);
#define siglongjmp longjmp
