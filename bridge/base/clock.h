/* The two clocks: one for instants that people read, one for how long things take. */
#pragma once

#include <stdint.h>

/* Milliseconds since an arbitrary start; never goes back. */
int64_t clock_mono_ms(void);

/* Microseconds since the same start, for measuring. */
int64_t clock_mono_us(void);

/* Milliseconds since 1970-01-01T00:00:00Z, without leap seconds. */
int64_t clock_unix_ms(void);
