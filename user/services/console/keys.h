#pragma once
// What a key that is a character sends. Those with names are the emulator's, which knows the modes
// that a program has set.

#include "abi/kwast/input.h"

#define KEY_BYTES_MAX 8u

// Returns how many bytes were stored; 0: the key is no character.
u32 keys_encode(u32 character, u32 modifiers, char out[KEY_BYTES_MAX]);
