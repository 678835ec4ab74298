#pragma once
// What drivers of keyboards, pointers and serial lines tell the console: calls (abi/kwast/calls.h)
// on the channel that they are given for it. No answer but a status; who calls is a driver, for no
// program has such a channel.

#include "abi/kwast/calls.h"

enum input_op : u32 {
    INPUT_KEY = KWAST_FIRST_OPERATION, // words[0] = a key was pressed; words[1] = modifiers
    INPUT_POINTER, // words = to the right, down (both i64), enum input_button, the wheel (i64, up)
    // The machine's console line, as a stream: its handle comes with the call. The first console is
    // there until the stream hangs up, or another one comes.
    INPUT_LINE,
};

// A key is the character that the layout gives it, or one of these.
#define INPUT_NAMED_KEY (1u << 31)
enum input_key : u32 {
    INPUT_ENTER = INPUT_NAMED_KEY,
    INPUT_TAB,
    INPUT_BACKSPACE,
    INPUT_ESCAPE,
    INPUT_UP,
    INPUT_DOWN,
    INPUT_LEFT,
    INPUT_RIGHT,
    INPUT_INSERT,
    INPUT_DELETE,
    INPUT_HOME,
    INPUT_END,
    INPUT_PAGE_UP,
    INPUT_PAGE_DOWN,
    INPUT_F1,
    INPUT_F12 = INPUT_F1 + 11,
    INPUT_KEY_END,
};

// Bits that xterm's sequences count, too. A character has been chosen by Shift already.
enum input_modifier : u32 { INPUT_SHIFT = 1, INPUT_ALT = 2, INPUT_CONTROL = 4 };

enum input_button : u32 { INPUT_LEFT_BUTTON = 1, INPUT_RIGHT_BUTTON = 2, INPUT_MIDDLE_BUTTON = 4 };

// What /dev/mouse gives, each movement or change of buttons.
struct input_motion {
    i16 right;
    i16 down;
    i16 wheel;   // up
    u16 buttons; // enum input_button
};
