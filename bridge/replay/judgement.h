/* What today's parser makes of a dead letter. Pure. */
#pragma once

#include "bridge/domain/dead_letter.h"
#include "bridge/domain/envelope.h"

/* What becomes of a letter; the names are a closed list that programs see. */
enum replay_outcome {
    REPLAY_UNREADABLE = 0, /* it lacks what a dead letter must have */
    REPLAY_NOT_UNDERSTOOD, /* it is what it was: a dead letter */
    REPLAY_NO_TOPIC,       /* understood, but where it belongs is no topic, or none to be seen */
    REPLAY_REFUSED,        /* understood, and refused by the broker for good */
    REPLAY_REPLAYED,       /* its records are produced; of a dry run: they would be */
};
#define REPLAY_OUTCOMES 5

/* "unreadable", ... Static. */
const char *replay_outcome_name(enum replay_outcome outcome);

/* Borrowed; must outlive the calls. */
struct judgement_options {
    struct envelope_options envelope;
    struct provider_options provider;
    const struct provider *const *providers; /* a NULL ends the list */
};

struct judgement {
    enum replay_outcome outcome; /* NOT_UNDERSTOOD or REPLAYED */
    const char *detail;          /* why it is not understood; "" otherwise */
    struct record *records;      /* in the arena; none where there is nothing to produce */
    size_t records_len;
};

/* Understood is a letter of which at least one event comes, or that has nothing in it (`[]`). Of a
 * body with good and bad elements the bad ones are dead letters of their own among the records.
 * Owns:   *ret lives in the arena, and in the letter.
 * Errors: STATUS_NOMEM. STATUS_INTERNAL as envelope_seal().
 */
enum status judgement_make(const struct judgement_options *opt, const struct dead_letter *letter,
                           struct arena *a, struct judgement *ret) MUST_CHECK;

/* The bound an arena needs for a letter of this many bytes, with a copy of its headers and value.
 */
size_t judgement_arena_max(size_t value_len);
