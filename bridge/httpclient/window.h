/* A sliding window: at most so many requests in any stretch of so long.
 *
 * A request reaches the server at some instant between its start and its end. It therefore takes a
 * place from its start until window_ms after its end: then no stretch of window_ms, wherever it
 * begins, holds more than max arrivals, however unlike the requests' delays are.
 */
#pragma once

#include <stdint.h>

#include "bridge/base/status.h"

struct window {
    unsigned max; /* 0: no limit */
    int64_t window_ms;
    unsigned under_way;
    int64_t *ends_mono_ms; /* of the last max requests that ended: a ring, oldest at `first` */
    unsigned first;
    unsigned ends_len;
};

/* Owns: the caller releases it with window_done(). Errors: STATUS_NOMEM. */
enum status window_init(struct window *w, unsigned max, int64_t window_ms) MUST_CHECK;
void window_done(struct window *w);

/* When the next request may start: now or earlier, a later instant, or INT64_MAX as long as none of
 * those under way has ended. */
int64_t window_free_at(const struct window *w, int64_t now_mono_ms);

void window_start(struct window *w);

/* arrivals: how many requests the server may have seen of it; 0: none, the place is free again. */
void window_end(struct window *w, unsigned arrivals, int64_t now_mono_ms);
