#include "bridge/app/reconciler_accounts_topic.h"

#include <stdlib.h>

#include "bridge/app/loop_topic.h"
#include "bridge/app/memory_pause.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/account_declaration.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/sealed.h"

/* A declaration that could not be read, as it came: another ring may open it. */
struct sealed_declaration {
    struct sealed_declaration *next;
    struct compacted_topic_record record; /* points into data */
    uint8_t data[];
};

struct reconciler_accounts_topic {
    struct reconciler_accounts_topic_options options;
    struct loop_topic *topic;
    struct keyring *keyring;            /* the loop's */
    struct sealed_declaration *waiting; /* likewise: at most one of a key */
};

DEFINE_CLEANUP(struct account_declaration *, account_declaration_free)
DEFINE_CLEANUP(struct declaration *, declaration_unref)

/* --- declarations, in the loop's thread -------------------------------------------------------
 */

/* Errors: STATUS_NOMEM. STATUS_INVALID, STATUS_UNAUTHENTIC it cannot be read; diag says why. */
static enum status read_declaration(struct reconciler_accounts_topic *t, const char *id,
                                    struct bytes json, struct declaration **ret, struct diag *diag)
{
    CLEANUP(account_declaration_free_scoped) struct account_declaration *read = NULL;
    enum status status = account_declaration_read(json, providers_all, &read, diag);
    if (status == STATUS_OK && strcmp(read->account.id, id) != 0)
        status = diag_set(diag, STATUS_INVALID, "it declares another account than its key says");
    if (status == STATUS_OK)
        status = declaration_new(&read->account, t->options.overrides, ret);
    return status;
}

/* What cannot be read leaves the account as it is, and nothing is done for it. */
static enum status take_declaration(struct reconciler_accounts_topic *t, const char *id,
                                    const struct buf *json, enum status opened, struct diag *diag)
{
    CLEANUP(declaration_unref_scoped) struct declaration *declaration = NULL;
    enum status status = opened;
    if (status == STATUS_OK && json != NULL)
        status = read_declaration(t, id, buf_bytes(json), &declaration, diag);
    if (status == STATUS_NOMEM)
        return status;
    bool is_changed = false;
    enum status taken = reconciler_accounts_declare_take(t->options.accounts, id, TAKE(declaration),
                                                         status != STATUS_OK, &is_changed);
    if (taken != STATUS_OK)
        return taken;
    struct reconciler_account *account = reconciler_accounts_find(t->options.accounts, id);
    if (account->by_files != NULL && account->by_topic != NULL)
        LOG(ACCOUNT_TWICE_DECLARED, log_text("account", id), log_text("topic", t->options.topic));
    if (is_changed)
        reconciler_passes_wake(t->options.passes, account);
    reconciler_accounts_tidy(t->options.accounts, account);
    return status;
}

static enum status take_request(struct reconciler_accounts_topic *t, const char *id,
                                const struct buf *json, struct diag *diag)
{
    struct request_record *request = NULL;
    enum status status = request_record_read(buf_bytes(json), &request, diag);
    if (status == STATUS_OK && strcmp(request->account, id) != 0) {
        request_record_free(request);
        return diag_set(diag, STATUS_INVALID, "it is for another account than its key says");
    }
    if (status != STATUS_OK)
        return status;
    struct reconciler_account *account =
        reconciler_accounts_request_take(t->options.accounts, request);
    if (account != NULL)
        reconciler_passes_wake(t->options.passes, account);
    return STATUS_OK;
}

static enum status take_opened(struct reconciler_accounts_topic *t, const struct registry_key *k,
                               const struct compacted_topic_record *record, struct diag *diag)
{
    struct buf json;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = STATUS_OK;
    bool is_tombstone = record->value.data == NULL;
    if (!is_tombstone)
        status = sealed_open(t->keyring, t->options.topic, record->key, record->value, &json, diag);
    if (k->kind == REGISTRY_KEY_DECLARATION && status != STATUS_NOMEM)
        status = take_declaration(t, k->account, is_tombstone ? NULL : &json, status, diag);
    else if (status == STATUS_OK && !is_tombstone)
        status = take_request(t, k->account, &json, diag);
    buf_wipe_done(&json);
    return status;
}

/* A later record of its key counts, whatever it says. */
static void forget_waiting(struct reconciler_accounts_topic *t, struct bytes key)
{
    for (struct sealed_declaration **at = &t->waiting; *at != NULL; at = &(*at)->next) {
        struct sealed_declaration *d = *at;
        if (!bytes_equal(d->record.key, key))
            continue;
        *at = d->next;
        free(d);
        return;
    }
}

static void let_wait(struct reconciler_accounts_topic *t,
                     const struct compacted_topic_record *record)
{
    struct sealed_declaration *d;
    while ((d = malloc(sizeof(*d) + record->key.len + record->value.len)) == NULL)
        memory_pause();
    memcpy(d->data, record->key.data, record->key.len);
    if (record->value.len > 0)
        memcpy(d->data + record->key.len, record->value.data, record->value.len);
    d->record = *record;
    d->record.key = bytes_of(d->data, record->key.len);
    d->record.value = bytes_of(d->data + record->key.len, record->value.len);
    d->next = t->waiting;
    t->waiting = d;
}

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_accounts_topic *t = ctx;
    struct registry_key k = {.kind = REGISTRY_KEY_UNKNOWN};
    if (record->key.data != NULL)
        k = registry_key_read(record->key);
    if (k.kind != REGISTRY_KEY_DECLARATION && k.kind != REGISTRY_KEY_REQUEST)
        return;
    struct diag diag = {0};
    enum status status;
    while ((status = take_opened(t, &k, record, &diag)) == STATUS_NOMEM)
        memory_pause();
    forget_waiting(t, record->key);
    if (status == STATUS_OK)
        return;
    if (k.kind == REGISTRY_KEY_DECLARATION)
        let_wait(t, record);
    LOG(REGISTRY_RECORD_REFUSED, log_bytes("key", record->key),
        log_number("partition", record->partition), log_number("offset", record->offset),
        log_text("error", diag.text));
}

static void on_caught_up(void *ctx)
{
    struct reconciler_accounts_topic *t = ctx;
    t->options.on_known(t->options.ctx);
}

/* --- life -------------------------------------------------------------------------------------
 */

enum status reconciler_accounts_topic_refusal(struct reconciler_accounts_topic *t,
                                              struct diag *diag)
{
    return loop_topic_refusal(t->topic, diag);
}

void reconciler_accounts_topic_set_keyring(struct reconciler_accounts_topic *t,
                                           const struct keyring *keyring)
{
    keyring_unref(t->keyring);
    t->keyring = keyring_ref(keyring);
    struct sealed_declaration *again = TAKE(t->waiting);
    for (struct sealed_declaration *next; again != NULL; again = next) {
        next = again->next;
        on_record(t, &again->record);
        free(again);
    }
}

enum status reconciler_accounts_topic_new(const struct reconciler_accounts_topic_options *opt,
                                          const struct keyring *keyring,
                                          struct reconciler_accounts_topic **ret, struct diag *diag)
{
    struct reconciler_accounts_topic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return STATUS_NOMEM;
    t->options = *opt;
    t->keyring = keyring_ref(keyring);
    const struct loop_topic_options options = {
        .loop = opt->loop,
        .cluster = opt->cluster,
        .topic = opt->topic,
        .any_settings = opt->any_settings,
        .callbacks = {.ctx = t, .on_record = on_record, .on_caught_up = on_caught_up},
    };
    enum status status = loop_topic_new(&options, &t->topic);
    if (status == STATUS_OK)
        status = loop_topic_start(t->topic, diag);
    if (status != STATUS_OK) {
        reconciler_accounts_topic_free(t);
        return status;
    }
    *ret = t;
    return STATUS_OK;
}

void reconciler_accounts_topic_reload(struct reconciler_accounts_topic *t)
{
    loop_topic_reload(t->topic);
}

void reconciler_accounts_topic_stop(struct reconciler_accounts_topic *t)
{
    loop_topic_stop(t->topic);
}

void reconciler_accounts_topic_free(struct reconciler_accounts_topic *t)
{
    if (t == NULL)
        return;
    loop_topic_free(t->topic);
    for (struct sealed_declaration *d = t->waiting, *next; d != NULL; d = next) {
        next = d->next;
        free(d);
    }
    keyring_unref(t->keyring);
    free(t);
}
