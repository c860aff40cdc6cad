/* Cleanup bound to a scope: every exit is a plain return. */
#pragma once

/* Calls fn(&variable) when the variable goes out of scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer over: evaluates to its value and leaves NULL behind, so that its cleanup does
 * nothing. */
#define TAKE(pointer)                                                                              \
    (__extension__({                                                                               \
        __auto_type taken_ = (pointer);                                                            \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    }))

/* Defines the function that CLEANUP calls for a pointer with a free function that accepts NULL. */
#define DEFINE_CLEANUP(type, free_fn)                                                              \
    static inline void free_fn##_scoped(type *pointer)                                             \
    {                                                                                              \
        free_fn(*pointer);                                                                         \
    }
