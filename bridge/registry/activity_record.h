/* What the activity topic says of one subscription: when its callbacks came. The key is
 * specification_text(); several ingresses write, and the last one's record stays. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

/* Of the callbacks since the writer's last record. */
struct activity_record {
    int64_t first_at_unix_ms;
    int64_t last_at_unix_ms;
    int64_t callbacks;
};

/* Appends it as JSON, schema version 1. Errors: STATUS_NOMEM; STATUS_INVALID it is longer than
 * ret's maximum. */
enum status activity_record_write(const struct activity_record *r, struct buf *ret) MUST_CHECK;

/* Errors: STATUS_INVALID it is no such record, diag says why. STATUS_NOMEM. */
enum status activity_record_read(struct bytes json, struct activity_record *ret, struct diag *diag)
    MUST_CHECK;
