// The texts of the status codes.

#include "base/status.h"

const char *status_text(enum status status) {
    static const char *const texts[] = {
#define X(name, text) text,
        STATUS_LIST(X)
#undef X
    };
    return (u32)status < STATUS_COUNT ? texts[status] : "unknown status";
}
