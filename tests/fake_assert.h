#pragma once
// Assertions in tests.

// Whether `act` ends in a failed assertion; runs it in a child process, so nothing changes here.
bool fake_asserts(void (*act)(void *context), void *context);
