/* For a function that takes the place of the C library's in the whole executable, shared libraries
 * included: how the libraries' calls of it fail. Those of the test itself are left alone. */
#pragma once

#include <dlfcn.h>
#include <errno.h>

#include "tests/torture/place.h"

/* The C library's. */
#define INTERPOSED(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

/* Whether this call fails; errno is set. */
static inline bool interposed_fails(const char *name, const void *frame, const struct way *ways,
                                    size_t ways_len)
{
    if (place_is_of_the_program(((const void *const *)frame)[1]))
        return false;
    const struct way *way = place_way(name, frame, ways, ways_len);
    if (way != NULL)
        errno = way->error;
    return way != NULL;
}

#define FAILS(name, ...)                                                                           \
    (__extension__({                                                                               \
        static const struct way ways_[] = {__VA_ARGS__};                                           \
        interposed_fails(name, __builtin_frame_address(0), ways_,                                  \
                         sizeof(ways_) / sizeof(ways_[0]));                                        \
    }))
