#pragma once
// The functions as files, one each, that say what it is and who has it.

#include "user/sdk/files.h"

struct file_system *listing_file_system(void);
