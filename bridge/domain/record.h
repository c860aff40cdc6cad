/* A finished Kafka record: nothing is left to decide but the partition. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/domain/event.h"

/* Twelve CloudEvents and trace headers, and eight of a dead letter. */
#define RECORD_HEADERS_MAX 20

struct record_header {
    const char *name; /* Kafka header keys are case-sensitive: always lower case */
    struct bytes value;
};

/* Everything it points to lives in the arena of its publication. */
struct record {
    const char *topic;
    struct bytes key;
    struct bytes value; /* never NULL: a record without a value would be a tombstone */
    struct record_header headers[RECORD_HEADERS_MAX];
    size_t headers_len;
    enum dead_letter_reason reason; /* DEAD_LETTER_NONE: an event */
    const char *account;            /* the key of its dead letter, should it become one; NULL: it is
                                       of no callback, and becomes none */
    const char *path;               /* of the callback, without a token: for dead-letter-path */
};

/* Room is there by construction: asserts otherwise. */
void record_add_header(struct record *r, const char *name, struct bytes value);

/* The value of the header of this name, or one with data == NULL. */
struct bytes record_header(const struct record *r, const char *name);
