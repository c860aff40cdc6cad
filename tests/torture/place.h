/* Where a call came from, and whether it is the one to fail: what fallible functions ask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One way in which a function fails. */
struct way {
    intptr_t value; /* what it returns */
    int error;      /* errno */
};

/* The way in which this call has to fail; NULL: it does not. `frame` is that of the function that
 * asks, __builtin_frame_address(0). Thread: any. */
const struct way *place_way(const char *name, const void *frame, const struct way *ways,
                            size_t ways_len);

/* Whether the code at this address is the executable's own. */
bool place_is_of_the_program(const void *address);
