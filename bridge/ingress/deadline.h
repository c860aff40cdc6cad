/* Absolute deadlines of one duration: first in, first due, so that a look at the head is enough. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lives inside what has the deadline. */
struct deadline {
    struct deadline *previous;
    struct deadline *next;
    struct deadline_fifo *fifo; /* NULL: in none */
    int64_t since_mono_ms;
};

struct deadline_fifo {
    struct deadline *oldest;
    struct deadline *newest;
    int64_t duration_ms;
    size_t len;
};

/* No time is left when none is due. */
#define DEADLINE_NONE INT64_MAX

/* Takes d out of the fifo it is in, if any, and puts it at the end of this one (NULL: none).
 * Thread: one thread owns all fifos a deadline is ever in; now never goes back.
 */
void deadline_move(struct deadline *d, struct deadline_fifo *fifo, int64_t now_mono_ms);

/* The oldest if its time has come; it stays where it is. NULL: none is due. */
struct deadline *deadline_due(const struct deadline_fifo *fifo, int64_t now_mono_ms);

/* Until the oldest is due, at least 0; DEADLINE_NONE for an empty fifo. */
int64_t deadline_wait_ms(const struct deadline_fifo *fifo, int64_t now_mono_ms);
