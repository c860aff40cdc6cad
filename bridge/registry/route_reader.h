/* What the ingress makes of the registry topic's records: each is opened and put into its index. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/base/keyring.h"
#include "bridge/registry/route_index.h"

struct route_reader;

/* What became of a record. */
enum route_reading {
    ROUTE_READING_NOMEM = 0,  /* nothing: give it again */
    ROUTE_READING_IGNORED,    /* it is none of a route */
    ROUTE_READING_APPLIED,    /* the index knows the route as it says, or no longer */
    ROUTE_READING_UNREADABLE, /* its route is disabled, and nothing else; diag says why */
    ROUTE_READING_MISPLACED,  /* it is not in its account's partition, so the topic was resized;
                                 diag says where. The index is as it was */
};

/* Takes its own reference of the keyring; the index, where what it reads goes, and the topic's name
 * are borrowed.
 * Owns:   on STATUS_OK the caller frees *ret with route_reader_free().
 * Errors: STATUS_NOMEM.
 */
enum status route_reader_new(struct route_index *index, const char *topic,
                             const struct keyring *keyring, struct route_reader **ret) MUST_CHECK;
void route_reader_free(struct route_reader *x);

/* Reads a record, which came from this one of so many partitions; value.data is NULL: a tombstone.
 * Thread: any, one after the other in the order of the partition's offsets.
 */
enum route_reading route_reader_take(struct route_reader *x, int32_t partition, int32_t partitions,
                                     struct bytes key, struct bytes value, struct diag *diag)
    MUST_CHECK;

/* Reads with this ring from now on, also what could not be read so far. Returns how many routes
 * that brought back. What was read before stays, also if the ring has lost its key. Thread: any. */
size_t route_reader_set_keyring(struct route_reader *x, const struct keyring *keyring);
