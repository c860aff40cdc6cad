/* The port through which a pass writes to the registry, and by which it knows that it still may. */
#pragma once

#include "bridge/registry/account_record.h"
#include "bridge/registry/route_record.h"

/* One record; borrowed for the start of the commit. */
struct registry_change {
    const struct route_record *route;     /* either this */
    const struct account_record *account; /* or this */
    bool is_tombstone;                    /* of its key; the rest of the record is not written */
};

/* STATUS_OK: committed, all or nothing, with acks of all in-sync replicas. STATUS_BUSY: surely
 * nothing was written. Anything else: it is unknown what was written, or another owner is there;
 * the account's records have to be read again before anything is decided. */
typedef void registry_committed_fn(void *done_ctx, enum status status);

/* Thread: the pass's, also for registry_committed_fn. */
struct registry_writer {
    void *ctx;

    /* Whether calls for this account may be made: its partition is owned, and the ownership
     * deadline (last poll of the consumer + session timeout - 2 s, monotonic) has not passed. */
    bool (*may_act)(void *ctx, const char *account);

    /* Commits the changes of one account in one transaction of the fenced writer; commits of
     * several accounts may share one. On STATUS_OK on_done(done_ctx) is called once, later, never
     * from within commit(), unless cancel() comes first. Errors: as registry_committed_fn. */
    enum status (*commit)(void *ctx, const char *account, const struct registry_change changes[],
                          size_t len, registry_committed_fn *on_done, void *done_ctx);

    /* on_done of done_ctx is not called any more; what was written is unknown. */
    void (*cancel)(void *ctx, void *done_ctx);
};
