#pragma once
#define major(device)      ((unsigned)((device) >> 8 & 0xfff))
#define minor(device)      ((unsigned)((device) & 0xff))
#define makedev(high, low) ((dev_t)(high) << 8 | (low))
