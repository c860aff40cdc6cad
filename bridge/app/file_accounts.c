#include "bridge/app/file_accounts.h"

#include <stdlib.h>

#include "bridge/base/scoped.h"

struct declaring {
    struct declaration **items; /* references */
    size_t len;
    struct reconciler_accounts *accounts;
    void (*on_changed)(void *ctx, struct reconciler_account *account);
    void *ctx;
    enum status status;
};

static void declaring_done(struct declaring *d)
{
    for (size_t i = 0; i < d->len; i++)
        declaration_unref(d->items[i]);
    free(d->items);
}

static enum status expand_all(struct declaring *d, const struct settings *s)
{
    d->items = calloc(s->accounts_len + 1, sizeof(*d->items));
    if (d->items == NULL)
        return STATUS_NOMEM;
    for (; d->len < s->accounts_len; d->len++) {
        enum status status =
            declaration_new(&s->accounts[d->len], &s->maesn_integrations, &d->items[d->len]);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* In the loop's thread. */
static void declare(void *ctx)
{
    struct declaring *d = ctx;
    d->status = reconciler_accounts_declare(d->accounts, d->items, d->len, d->on_changed, d->ctx);
    if (d->status == STATUS_OK)
        d->len = 0; /* taken over */
}

enum status file_accounts_declare(const struct settings *s, struct task_loop *loop,
                                  struct reconciler_accounts *accounts,
                                  void (*on_changed)(void *ctx, struct reconciler_account *account),
                                  void *ctx)
{
    CLEANUP(declaring_done)
    struct declaring d = {.accounts = accounts, .on_changed = on_changed, .ctx = ctx};
    enum status status = expand_all(&d, s);
    if (status != STATUS_OK)
        return status;
    task_loop_call(loop, declare, &d);
    return d.status;
}
