/* The latest record of each key of a compacted topic. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

struct topic_row {
    int32_t partition;
    struct bytes key;
    struct bytes value;
};

/* All zero: no rows. */
struct topic_rows {
    void *tree; /* tsearch(3), by key, then by partition */
    size_t len;
};

void topic_rows_done(struct topic_rows *rows);

/* Puts a copy in the place of what the partition had under the key; a value without data takes it
 * away. Errors: STATUS_NOMEM, the rows are then as they were. */
enum status topic_rows_put(struct topic_rows *rows, int32_t partition, struct bytes key,
                           struct bytes value) MUST_CHECK;

/* NULL: there is none. Borrowed until the next change. */
const struct topic_row *topic_rows_find(const struct topic_rows *rows, int32_t partition,
                                        struct bytes key);

/* Called for every row, in the order of the keys' bytes. */
void topic_rows_each(const struct topic_rows *rows,
                     void (*on_row)(void *ctx, const struct topic_row *row), void *ctx);
