/* Which call begins when. Pure: the clock comes in, nothing goes out.
 *
 * Calls wait at their key. A key with waiting calls, none under way and no hold is ready; ready
 * keys take turns, those whose next call writes before those whose next call reads. A hold
 * (Retry-After, or backoff after a failure) keeps its key from being ready until it is over; a base
 * can be held as a whole.
 */
#pragma once

#include "bridge/httpclient/call.h"

struct call_queue;

/* How an attempt ended. */
struct call_end {
    unsigned arrivals; /* requests that the server may have seen */
    bool failed;       /* the key pauses */
    bool may_repeat;   /* the same call may begin again after the pause */
    bool is_throttled; /* the server asked to be left alone: the base pauses if it is_held_whole */
    int64_t retry_after_ms; /* -1: not said */
    uint32_t chance;        /* for the jitter */
};

/* Owns:   on STATUS_OK the caller frees *ret with call_queue_free(); it does not own its calls.
 * Errors: STATUS_NOMEM.
 */
enum status call_queue_new(const struct http_base bases[], size_t bases_len, unsigned concurrency,
                           struct call_queue **ret) MUST_CHECK;

/* No call may be in the queue any more. call_queue_free(NULL) is fine. */
void call_queue_free(struct call_queue *q);

/* The call waits from now on, at most call->start_within_ms. Errors: STATUS_NOMEM. */
enum status call_queue_add(struct call_queue *q, struct call *call, int64_t now_mono_ms) MUST_CHECK;

/* A call that begins now, or NULL. The caller owes a call_queue_end() for it. */
struct call *call_queue_start(struct call_queue *q, int64_t now_mono_ms);

/* The attempt is over; true: the call waits again, first of its key. */
bool call_queue_end(struct call_queue *q, struct call *call, const struct call_end *end,
                    int64_t now_mono_ms);

/* Until when the call's key, or its base, is held; 0: it is not. */
int64_t call_queue_held_until(struct call_queue *q, const struct call *call, int64_t now_mono_ms);

/* Takes out a call that waits. */
void call_queue_remove(struct call_queue *q, struct call *call, int64_t now_mono_ms);

/* A waiting call that may no longer begin, or NULL; the caller takes it out. */
struct call *call_queue_expired(const struct call_queue *q, int64_t now_mono_ms);

/* When call_queue_start() or call_queue_expired() may have something new, if nothing else happens;
 * INT64_MAX: never. */
int64_t call_queue_next_at(const struct call_queue *q, int64_t now_mono_ms);
