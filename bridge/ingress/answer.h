/* Every answer the ingress can give, and when: the one place where a status becomes an HTTP code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/status.h"
#include "bridge/domain/provider.h"

enum answer {
    ANSWER_NONE = 0, /* not decided yet */
    ANSWER_ACCEPTED,
    ANSWER_PROBED,
    ANSWER_MALFORMED,
    ANSWER_HEADER_TOO_LARGE,
    ANSWER_FRAMING,
    ANSWER_EXPECTATION,
    ANSWER_PATH_UNKNOWN,
    ANSWER_PATHS_LIMITED,
    ANSWER_PATH_NOT_YET,
    ANSWER_METHOD,
    ANSWER_BODY_TOO_LARGE,
    ANSWER_OVERLOADED,
    ANSWER_TOO_SLOW,
    ANSWER_SIGNATURE_BAD,
    ANSWER_SIGNATURE_MISSING,
    ANSWER_SIGNATURE_STALE,
    ANSWER_SIGNATURES_LIMITED,
    ANSWER_CALLBACKS_LIMITED,
    ANSWER_ROUTE_PENDING,
    ANSWER_SHORT_OF_MEMORY,
    ANSWER_INTERNAL,
    ANSWER_SINK_BUSY,
    ANSWER_SINK_UNAVAILABLE,
    ANSWER_SINK_REFUSED,
    ANSWER_NOT_DURABLE,
    ANSWER_DEADLINE,
};
#define ANSWERS 27

/* How an answer is logged. */
enum answer_log {
    ANSWER_LOG_NOTHING = 0, /* a counter is enough */
    ANSWER_LOG_REJECTED,    /* webhook.rejected, and kept among the last rejections */
    ANSWER_LOG_LIMITED,     /* webhook.limited; not kept: a flood would leave nothing else there */
    ANSWER_LOG_UNANSWERED,  /* webhook.unanswered, and kept among the last rejections */
};

struct answer_row {
    unsigned code;
    unsigned retry_after_s; /* 0: no Retry-After */
    const char *body;       /* constant: nothing internal ever goes out */
    const char *reason;     /* for people: the log and /rejections.json */
    enum answer_log log;
};

/* Static. */
const struct answer_row *answer_row(enum answer answer);

/* After verify(): ANSWER_NONE for what is authentic. */
enum answer answer_of_verification(enum verification verification);

/* After unify() or envelope_seal() failed, or event_sink_publish() refused. */
enum answer answer_of_status(enum status status);

/* After on_done(): ANSWER_ACCEPTED only for STATUS_OK. */
enum answer answer_of_report(enum status status);

struct MHD_Connection;
struct answers;

/* Builds each answer once. Thread: one loop's each.
 * Owns: on STATUS_OK the caller frees *ret with answers_free(). Errors: STATUS_NOMEM.
 */
enum status answers_new(struct answers **ret) MUST_CHECK;
void answers_free(struct answers *a);

/* Queues an answer; closing: with "Connection: close". Returns false when libmicrohttpd refuses,
 * after which the connection is to be closed.
 */
bool answers_queue(struct answers *a, struct MHD_Connection *mhd, enum answer answer, bool closing);

/* Writes the whole message that answers_queue(closing) would send, for the moments when
 * libmicrohttpd does not take one. Returns its length.
 */
size_t answer_print(enum answer answer, char *ret, size_t ret_size);
