/* What a replay did, or would do: letters counted by what became of them, why they were dead, whose
 * they are and where they go. */
#pragma once

#include "bridge/replay/judgement.h"

/* More than an operator reads; letters of further groups are counted in one without names. */
#define TALLY_GROUPS_MAX 10000

/* A letter, as far as it is told about; everything is borrowed for the call. */
struct tally_letter {
    enum replay_outcome outcome;
    enum dead_letter_reason reason; /* NONE: it cannot be read */
    const char *account;            /* NULL: it cannot be read */
    const char *id;                 /* NULL: it has none */
    const char *detail;             /* why it stays; "" for one that is replayed */
    const struct record *records;   /* what it is understood as; none where it is not */
    size_t records_len;
    int32_t partition;
    int64_t offset;
    int64_t recorded_at_unix_ms; /* of one that cannot be read: when it was written */
};

/* The texts live as long as the tally. */
struct tally_group {
    enum replay_outcome outcome;
    enum dead_letter_reason reason;
    const char *account; /* "": none is known */
    const char *topic;   /* "": there is nothing to produce */
    size_t letters;      /* whose first record belongs to the topic */
    size_t records;      /* that are, or would be, produced to it */
    struct {             /* of the group's first letter */
        int32_t partition;
        int64_t offset;
        int64_t recorded_at_unix_ms;
        const char *id;     /* "": none */
        const char *key;    /* of its first record; "": none */
        const char *detail; /* "": none */
    } sample;
};

struct tally {
    struct arena *arena;        /* NULL: nothing was counted yet */
    struct tally_group *groups; /* sorted by outcome, reason, account, topic */
    size_t groups_len;
    size_t groups_capacity;
    size_t letters[REPLAY_OUTCOMES];
    size_t records;
};

/* All zero: an empty tally. */
void tally_done(struct tally *t);

/* Errors: STATUS_NOMEM; what was counted before stays. */
enum status tally_add(struct tally *t, const struct tally_letter *letter) MUST_CHECK;
