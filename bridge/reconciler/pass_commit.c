/* The changes of a pass: collected, committed in one transaction, and only then known. */
#include "bridge/reconciler/pass_state.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"

void pass_commit_clear(struct pass *p)
{
    for (size_t i = 0; i < p->changes_len; i++) {
        route_record_free(p->changes[i].route);
        account_record_free(p->changes[i].account);
    }
    p->changes_len = 0;
}

static struct pass_change *changes_append(struct pass *p)
{
    if (p->changes_len == p->changes_capacity) {
        size_t capacity = p->changes_capacity == 0 ? 8 : 2 * p->changes_capacity;
        struct pass_change *changes = reallocarray(p->changes, capacity, sizeof(*changes));
        if (changes == NULL)
            return NULL;
        p->changes = changes;
        p->changes_capacity = capacity;
    }
    struct pass_change *change = &p->changes[p->changes_len];
    *change = (struct pass_change){0};
    return change;
}

enum status pass_commit_add_route(struct pass *p, const struct route_record *r, bool is_tombstone,
                                  bool is_intent)
{
    struct pass_change *change = changes_append(p);
    if (change == NULL || (change->route = route_record_copy(r)) == NULL)
        return STATUS_NOMEM;
    change->is_tombstone = is_tombstone;
    change->is_intent = is_intent;
    p->changes_len++;
    return STATUS_OK;
}

enum status pass_commit_add_account(struct pass *p, const struct account_record *r,
                                    bool is_tombstone)
{
    struct pass_change *change = changes_append(p);
    if (change == NULL || (change->account = account_record_copy(r)) == NULL)
        return STATUS_NOMEM;
    change->is_tombstone = is_tombstone;
    p->changes_len++;
    return STATUS_OK;
}

static void apply_change(struct pass *p, struct pass_change *change)
{
    if (change->account != NULL) {
        account_state_take_account(p->state, change->is_tombstone ? NULL : TAKE(change->account));
    } else if (change->is_tombstone) {
        account_state_remove_route(p->state, &change->route->url);
    } else {
        const struct callback_url url = change->route->url;
        /* Cannot fail: the room was reserved before the commit. */
        enum status status = account_state_take_route(p->state, TAKE(change->route));
        assert(status == STATUS_OK);
        account_state_find(p->state, &url)->is_unsent = change->is_intent;
    }
}

static void on_committed(void *ctx, enum status status)
{
    struct pass *p = ctx;
    assert(p->is_waiting && (p->at == PASS_COMMITTING || p->at == PASS_SAVING));
    p->is_waiting = false;
    if (status == STATUS_OK) {
        for (size_t i = 0; i < p->changes_len; i++)
            apply_change(p, &p->changes[i]);
    }
    pass_commit_clear(p);
    if (status == STATUS_OK) {
        p->after_commit(p);
    } else if (status == STATUS_BUSY && p->state->unsaved != NULL) {
        diag_set(&p->result.reason, status, "the registry's writer is busy: a secret waits");
        p->result.again_at_unix_ms = pass_now_unix_ms(p);
        pass_end(p, PASS_RETRY_LATER);
    } else if (status == STATUS_BUSY) {
        struct diag reason = {0};
        diag_set(&reason, status, "the registry's writer is busy");
        pass_end_later(p, 0, &reason);
    } else {
        diag_set(&p->result.reason, status, "the commit failed: %s", status_name(status));
        pass_end(p, PASS_RECORDS_UNKNOWN);
    }
}

void pass_commit(struct pass *p, enum pass_state at, void (*after_commit)(struct pass *p))
{
    if (p->changes_len == 0) {
        after_commit(p);
        return;
    }
    struct registry_change *changes = calloc(p->changes_len, sizeof(*changes));
    enum status status =
        changes == NULL ? STATUS_NOMEM : account_state_reserve(p->state, p->changes_len);
    if (status != STATUS_OK) {
        free(changes);
        pass_end_failed(p, status);
        return;
    }
    for (size_t i = 0; i < p->changes_len; i++) {
        changes[i] = (struct registry_change){
            .route = p->changes[i].route,
            .account = p->changes[i].account,
            .is_tombstone = p->changes[i].is_tombstone,
        };
    }
    p->at = at;
    p->after_commit = after_commit;
    p->is_waiting = true;
    const struct registry_writer *writer = p->opt.writer;
    status = writer->commit(writer->ctx, p->account, changes, p->changes_len, on_committed, p);
    free(changes);
    if (status != STATUS_OK)
        on_committed(p, status);
}
