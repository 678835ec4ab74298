// One table for each service that keeps something.

#include "user/services/init/keep.h"

#include <stdlib.h>
#include <unistd.h>

#include "user/services/init/manifest.h"

static kwast_handle *kept[SERVICES_MAX]; // KEPT_MAX each

enum status keep_put(u32 owner, u32 number, kwast_handle handle) {
    if (kept[owner] == NULL) {
        kept[owner] = malloc(KEPT_MAX * sizeof *kept[owner]);
        if (kept[owner] == NULL)
            return ERR_NO_MEMORY;
        for (u32 i = 0; i < KEPT_MAX; i++)
            kept[owner][i] = KWAST_NO_HANDLE;
    }
    if (kept[owner][number] != KWAST_NO_HANDLE)
        close((int)kept[owner][number]);
    kept[owner][number] = handle;
    return OK;
}

enum status keep_get(u32 owner, u32 number, kwast_handle *out) {
    if (kept[owner] == NULL || kept[owner][number] == KWAST_NO_HANDLE)
        return ERR_NOT_FOUND;
    const struct kwast_given given = kwast_give(kept[owner][number], 0, NULL);
    u32 error = kwast_handle_duplicate(given.handle, given.rights, given.inheriting, out);
    return error == 0 ? OK : ERR_LIMIT;
}
