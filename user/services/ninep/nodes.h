#pragma once
// A file system (user/sdk/file_system.h) of what a 9P server has.

#include "user/sdk/file_system.h"
#include "user/services/ninep/p9.h"

// Greets the server and makes a file system of its directory, which lives as long as the process.
// ERR_NO_MEMORY, or what p9_begin says.
enum status nodes_create(struct p9_transport *transport, struct file_system **out);

// For tests. Nothing may be open.
void nodes_destroy(struct file_system *fs);
