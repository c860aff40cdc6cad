#include "bridge/app/reconciler_accounts.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/murmur2.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/sealed.h"

/* A record as it came: to be taken again. */
struct kept_record {
    struct kept_record *next;
    bool is_unreadable; /* else it differs from the state of an account that is led here */
    struct bytes key;
    struct bytes value;
    uint8_t data[];
};

struct reconciler_accounts {
    const char *topic;
    struct keyring *keyring;
    int32_t partitions;
    bool *is_ours; /* by partition */
    bool *is_led;  /* likewise */
    struct reconciler_account **slots;
    size_t slots_len; /* a power of two */
    size_t len;
};

/* An opened record: one of the two, or neither, for a tombstone. */
struct opened {
    struct route_record *route;
    struct account_record *account;
};

static void opened_done(struct opened *o)
{
    route_record_free(o->route);
    account_record_free(o->account);
}

/* --- the table --------------------------------------------------------------------------------
 */

static struct reconciler_account **slot_of(const struct reconciler_accounts *a, const char *id)
{
    return &a->slots[murmur2(bytes_of_text(id)) & (a->slots_len - 1)];
}

struct reconciler_account *reconciler_accounts_find(const struct reconciler_accounts *a,
                                                    const char *account)
{
    for (struct reconciler_account *at = *slot_of(a, account); at != NULL; at = at->next)
        if (strcmp(at->id, account) == 0)
            return at;
    return NULL;
}

static enum status grow(struct reconciler_accounts *a)
{
    struct reconciler_accounts larger = {.slots_len = a->slots_len * 2};
    larger.slots = calloc(larger.slots_len, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < a->slots_len; i++) {
        for (struct reconciler_account *at = a->slots[i], *next; at != NULL; at = next) {
            next = at->next;
            struct reconciler_account **slot = slot_of(&larger, at->id);
            at->next = *slot;
            *slot = at;
        }
    }
    free(a->slots);
    a->slots = larger.slots;
    a->slots_len = larger.slots_len;
    return STATUS_OK;
}

/* The account of this id, made if need be; NULL: memory is short. */
static struct reconciler_account *find_or_add(struct reconciler_accounts *a, const char *id)
{
    struct reconciler_account *account = reconciler_accounts_find(a, id);
    if (account != NULL || (a->len == a->slots_len && grow(a) != STATUS_OK))
        return account;
    account = calloc(1, sizeof(*account));
    if (account == NULL)
        return NULL;
    memcpy(account->id, id, strlen(id) + 1);
    account->partition = reconciler_accounts_partition_of(a, id);
    account_state_init(&account->state);
    struct reconciler_account **slot = slot_of(a, id);
    account->next = *slot;
    *slot = account;
    a->len++;
    return account;
}

static void account_free(struct reconciler_account *account)
{
    for (struct kept_record *k = account->kept, *next; k != NULL; k = next) {
        next = k->next;
        free(k);
    }
    account_state_done(&account->state);
    declaration_unref(account->by_files);
    declaration_unref(account->by_topic);
    request_record_free(account->request);
    reported_plan_done(&account->plan);
    assert(account->running == NULL);
    free(account);
}

void reconciler_accounts_tidy(struct reconciler_accounts *a, struct reconciler_account *account)
{
    if (account->declared != NULL || account->is_undecipherable ||
        account->state.revoked_at_unix_ms != 0 || account->running != NULL ||
        account->kept != NULL || account->state.record != NULL || account->state.routes_len > 0 ||
        account->slot.is_scheduled)
        return;
    struct reconciler_account **at = slot_of(a, account->id);
    while (*at != account)
        at = &(*at)->next;
    *at = account->next;
    a->len--;
    account_free(account);
}

size_t reconciler_accounts_len(const struct reconciler_accounts *a)
{
    return a->len;
}

size_t reconciler_accounts_slots(const struct reconciler_accounts *a)
{
    return a->slots_len;
}

void reconciler_accounts_each_of(struct reconciler_accounts *a, size_t first, size_t len,
                                 void (*fn)(void *ctx, struct reconciler_account *account),
                                 void *ctx)
{
    size_t end = a->slots_len - first < len ? a->slots_len : first + len;
    for (size_t i = first; i < end; i++)
        for (struct reconciler_account *at = a->slots[i], *next; at != NULL; at = next) {
            next = at->next;
            fn(ctx, at);
        }
}

void reconciler_accounts_each(struct reconciler_accounts *a,
                              void (*fn)(void *ctx, struct reconciler_account *account), void *ctx)
{
    reconciler_accounts_each_of(a, 0, a->slots_len, fn, ctx);
}

/* --- partitions -------------------------------------------------------------------------------
 */

int32_t reconciler_accounts_partitions(const struct reconciler_accounts *a)
{
    return a->partitions;
}

int32_t reconciler_accounts_partition_of(const struct reconciler_accounts *a, const char *account)
{
    return a->partitions == 0 ? -1 : registry_key_partition(account, a->partitions);
}

static void set_partition(void *ctx, struct reconciler_account *account)
{
    account->partition = reconciler_accounts_partition_of(ctx, account->id);
}

enum status reconciler_accounts_set_partitions(struct reconciler_accounts *a, int32_t partitions)
{
    assert(a->is_led == NULL && partitions > 0);
    a->is_ours = calloc((size_t)partitions, sizeof(*a->is_ours));
    a->is_led = calloc((size_t)partitions, sizeof(*a->is_led));
    if (a->is_ours == NULL || a->is_led == NULL)
        return STATUS_NOMEM;
    a->partitions = partitions;
    reconciler_accounts_each(a, set_partition, a);
    return STATUS_OK;
}

bool reconciler_accounts_leads(const struct reconciler_accounts *a, int32_t partition)
{
    return partition >= 0 && partition < a->partitions && a->is_led[partition];
}

/* --- records ----------------------------------------------------------------------------------
 */

static void forget_kept(struct reconciler_account *account, struct bytes key)
{
    for (struct kept_record **at = &account->kept; *at != NULL; at = &(*at)->next) {
        struct kept_record *k = *at;
        if (!bytes_equal(k->key, key))
            continue;
        *at = k->next;
        account->unreadable -= k->is_unreadable;
        free(k);
        return;
    }
}

static enum status keep(struct reconciler_account *account, struct bytes key, struct bytes value,
                        bool is_unreadable)
{
    struct kept_record *k = malloc(sizeof(*k) + key.len + value.len);
    if (k == NULL)
        return STATUS_NOMEM;
    forget_kept(account, key);
    memcpy(k->data, key.data, key.len);
    if (value.len > 0)
        memcpy(k->data + key.len, value.data, value.len);
    k->is_unreadable = is_unreadable;
    k->key = bytes_of(k->data, key.len);
    k->value = value.data == NULL ? value : bytes_of(k->data + key.len, value.len);
    k->next = account->kept;
    account->kept = k;
    account->unreadable += is_unreadable;
    return STATUS_OK;
}

static bool same_url(const struct callback_url *x, const struct callback_url *y)
{
    return x->generation_unix_ms == y->generation_unix_ms &&
           specification_equal(&x->specification, &y->specification);
}

/* Opens and parses; a record that is of something else than its key says is none. */
static enum status open_record(const struct reconciler_accounts *a, const struct registry_key *k,
                               struct bytes key, struct bytes value, struct opened *ret,
                               struct diag *diag)
{
    struct buf json;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = sealed_open(a->keyring, a->topic, key, value, &json, diag);
    if (status == STATUS_OK && k->kind == REGISTRY_KEY_ROUTE)
        status = route_record_read(buf_bytes(&json), &ret->route, diag);
    else if (status == STATUS_OK)
        status = account_record_read(buf_bytes(&json), &ret->account, diag);
    buf_wipe_done(&json);
    if (status != STATUS_OK)
        return status;
    if (ret->route != NULL ? same_url(&ret->route->url, &k->url)
                           : strcmp(ret->account->account, k->account) == 0)
        return STATUS_OK;
    return diag_set(diag, STATUS_INVALID, "the record is of something else than its key says");
}

/* Whether the state says the same already. */
static bool is_known(const struct reconciler_account *account, const struct registry_key *k,
                     const struct opened *o)
{
    const struct account_state *s = &account->state;
    if (k->kind == REGISTRY_KEY_ACCOUNT)
        return o->account == NULL || s->record == NULL
                   ? o->account == s->record
                   : account_record_equal(o->account, s->record);
    const struct held_route *held = account_state_find(s, &k->url);
    if (o->route == NULL || held == NULL)
        return o->route == NULL && held == NULL;
    return route_record_equal(o->route, held->record);
}

static enum status apply(struct reconciler_account *account, const struct registry_key *k,
                         struct opened *o)
{
    if (k->kind == REGISTRY_KEY_ACCOUNT)
        account_state_take_account(&account->state, TAKE(o->account));
    else if (o->route == NULL)
        account_state_remove_route(&account->state, &k->url);
    else
        return account_state_take_route(&account->state, TAKE(o->route));
    return STATUS_OK;
}

/* A record for which another ring may have the key, or another version of the program the words. */
static bool may_become_readable(const struct reconciler_accounts *a, enum status status,
                                struct bytes value)
{
    size_t key;
    struct bytes name = sealed_key_name(value);
    if (name.data == NULL)
        return false;
    return !keyring_find(a->keyring, name, &key) || status == STATUS_INVALID;
}

static enum account_reading take_unreadable(struct reconciler_accounts *a,
                                            struct reconciler_account *account,
                                            const struct registry_key *k, struct bytes key,
                                            struct bytes value, enum status status)
{
    struct opened nothing = {0};
    if (status == STATUS_NOMEM)
        return ACCOUNT_READING_NOMEM;
    if (may_become_readable(a, status, value))
        return keep(account, key, value, true) == STATUS_OK ? ACCOUNT_READING_UNREADABLE
                                                            : ACCOUNT_READING_NOMEM;
    forget_kept(account, key);
    if (!reconciler_accounts_leads(a, account->partition))
        (void)apply(account, k, &nothing); /* a removal cannot fail */
    return ACCOUNT_READING_UNREADABLE;
}

static enum account_reading take_of(struct reconciler_accounts *a,
                                    struct reconciler_account *account,
                                    const struct registry_key *k, struct bytes key,
                                    struct bytes value, bool is_led, struct diag *diag)
{
    CLEANUP(opened_done) struct opened o = {0};
    enum status status = value.data == NULL ? STATUS_OK : open_record(a, k, key, value, &o, diag);
    if (status != STATUS_OK)
        return take_unreadable(a, account, k, key, value, status);
    if (!is_led)
        status = apply(account, k, &o);
    else if (!is_known(account, k, &o))
        return keep(account, key, value, false) == STATUS_OK ? ACCOUNT_READING_TAKEN
                                                             : ACCOUNT_READING_NOMEM;
    if (status != STATUS_OK)
        return ACCOUNT_READING_NOMEM;
    forget_kept(account, key);
    return ACCOUNT_READING_TAKEN;
}

enum account_reading reconciler_accounts_take(struct reconciler_accounts *a, int32_t partition,
                                              struct bytes key, struct bytes value,
                                              struct diag *diag)
{
    struct registry_key k = {.kind = REGISTRY_KEY_UNKNOWN};
    if (key.data != NULL)
        k = registry_key_read(key);
    if (k.kind != REGISTRY_KEY_ROUTE && k.kind != REGISTRY_KEY_ACCOUNT)
        return ACCOUNT_READING_IGNORED;
    int32_t expected = reconciler_accounts_partition_of(a, k.account);
    if (partition != expected) {
        diag_set(diag, STATUS_INVALID,
                 "topic %s: a record of account %s is in partition %d, expected %d: the topic was "
                 "resized",
                 a->topic, k.account, (int)partition, (int)expected);
        return ACCOUNT_READING_MISPLACED;
    }
    struct reconciler_account *account = find_or_add(a, k.account);
    if (account == NULL)
        return ACCOUNT_READING_NOMEM;
    account->changes++;
    enum account_reading reading =
        take_of(a, account, &k, key, value, reconciler_accounts_leads(a, partition), diag);
    reconciler_accounts_tidy(a, account);
    return reading;
}

/* Takes again what was kept of this kind, by the reader's word: of an account that is not led, or
 * one that waits for a key and so has no passes. Short of memory it stays kept. */
static void take_kept(struct reconciler_accounts *a, struct reconciler_account *account,
                      bool is_unreadable)
{
    struct kept_record *kept = account->kept;
    account->kept = NULL;
    account->unreadable = 0;
    for (struct kept_record *k = kept, *next; k != NULL; k = next) {
        next = k->next;
        struct registry_key key = registry_key_read(k->key);
        bool is_taken =
            k->is_unreadable == is_unreadable &&
            take_of(a, account, &key, k->key, k->value, false, NULL) != ACCOUNT_READING_NOMEM;
        if (is_taken) {
            free(k);
            continue;
        }
        k->next = account->kept;
        account->kept = k;
        account->unreadable += k->is_unreadable;
    }
}

struct leading {
    struct reconciler_accounts *accounts;
    int32_t partition;
};

static void stop_leading(void *ctx, struct reconciler_account *account)
{
    const struct leading *l = ctx;
    if (account->partition != l->partition)
        return;
    assert(account->running == NULL);
    for (size_t i = 0; i < account->state.routes_len; i++)
        account->state.routes[i].is_unsent = false;
    take_kept(l->accounts, account, false);
    reconciler_accounts_tidy(l->accounts, account);
}

void reconciler_accounts_own(struct reconciler_accounts *a, int32_t partition, bool is_ours)
{
    assert(partition >= 0 && partition < a->partitions);
    a->is_ours[partition] = is_ours;
}

bool reconciler_accounts_owns(const struct reconciler_accounts *a, int32_t partition)
{
    return partition >= 0 && partition < a->partitions && a->is_ours[partition];
}

void reconciler_accounts_lead(struct reconciler_accounts *a, int32_t partition, bool is_led)
{
    assert(partition >= 0 && partition < a->partitions);
    bool was_led = a->is_led[partition];
    a->is_led[partition] = is_led;
    struct leading leading = {a, partition};
    if (was_led && !is_led)
        reconciler_accounts_each(a, stop_leading, &leading);
}

static void read_again(void *ctx, struct reconciler_account *account)
{
    struct reconciler_accounts *a = ctx;
    if (account->unreadable > 0 && account->running == NULL)
        take_kept(a, account, true);
}

void reconciler_accounts_set_keyring(struct reconciler_accounts *a, const struct keyring *keyring)
{
    keyring_unref(a->keyring);
    a->keyring = keyring_ref(keyring);
    reconciler_accounts_each(a, read_again, a);
}

/* --- declarations -----------------------------------------------------------------------------
 */

static bool is_redeclared(const struct declaration *old, const struct declaration *new)
{
    return old == NULL || new == NULL ? old != new : !declaration_equal(old, new);
}

struct declaring {
    struct reconciler_accounts *accounts;
    void (*on_changed)(void *ctx, struct reconciler_account *account);
    void *ctx;
    struct declaration *const *declarations;
    size_t len;
};

static int compare_declarations(const void *left, const void *right)
{
    const struct declaration *const *a = left, *const *b = right;
    return strcmp((*a)->desired.account, (*b)->desired.account);
}

static int compare_with_id(const void *id, const void *declaration)
{
    return strcmp(id, (*(const struct declaration *const *)declaration)->desired.account);
}

/* Chooses between the two; the former one still lives. Returns whether that changes anything. */
static bool put_in_force(struct reconciler_account *account)
{
    struct declaration *former = account->declared;
    account->declared = account->by_files != NULL ? account->by_files : account->by_topic;
    return is_redeclared(former, account->declared);
}

/* Gives the account the declaration that names it, or none. */
static void redeclare(void *ctx, struct reconciler_account *account)
{
    const struct declaring *d = ctx;
    struct declaration *const *found = d->len == 0 ? NULL
                                                   : bsearch(account->id, d->declarations, d->len,
                                                             sizeof(*found), compare_with_id);
    struct declaration *former = account->by_files;
    account->by_files = found == NULL ? NULL : *found;
    if (put_in_force(account))
        d->on_changed(d->ctx, account);
    declaration_unref(former);
    reconciler_accounts_tidy(d->accounts, account);
}

enum status reconciler_accounts_declare(
    struct reconciler_accounts *a, struct declaration *const declarations[], size_t len,
    void (*on_changed)(void *ctx, struct reconciler_account *account), void *ctx)
{
    struct declaration **sorted = calloc(len + 1, sizeof(*sorted));
    enum status status = sorted == NULL ? STATUS_NOMEM : STATUS_OK;
    for (size_t i = 0; i < len && status == STATUS_OK; i++) {
        sorted[i] = declarations[i];
        if (find_or_add(a, declarations[i]->desired.account) == NULL)
            status = STATUS_NOMEM; /* those that were added stand empty, and do no harm */
    }
    if (status == STATUS_OK) {
        qsort(sorted, len, sizeof(*sorted), compare_declarations);
        struct declaring d = {.accounts = a,
                              .on_changed = on_changed,
                              .ctx = ctx,
                              .declarations = sorted,
                              .len = len};
        reconciler_accounts_each(a, redeclare, &d);
    }
    free(sorted);
    return status;
}

DEFINE_CLEANUP(struct declaration *, declaration_unref)

enum status reconciler_accounts_declare_take(struct reconciler_accounts *a, const char *account,
                                             struct declaration *declaration, bool is_unreadable,
                                             bool *ret_changed)
{
    CLEANUP(declaration_unref_scoped) struct declaration *given = declaration;
    struct reconciler_account *found = find_or_add(a, account);
    if (found == NULL)
        return STATUS_NOMEM;
    CLEANUP(declaration_unref_scoped) struct declaration *former = found->by_topic;
    found->by_topic = TAKE(given);
    *ret_changed = put_in_force(found) || found->is_undecipherable != is_unreadable;
    found->is_undecipherable = is_unreadable;
    return STATUS_OK;
}

struct reconciler_account *reconciler_accounts_request_take(struct reconciler_accounts *a,
                                                            struct request_record *request)
{
    struct reconciler_account *account = reconciler_accounts_find(a, request->account);
    if (account == NULL) {
        request_record_free(request);
        return NULL;
    }
    request_record_free(account->request);
    account->request = request;
    return account;
}

struct reconciler_account *reconciler_accounts_revoke(struct reconciler_accounts *a,
                                                      const char *account, int64_t at_unix_ms)
{
    struct reconciler_account *found = find_or_add(a, account);
    if (found != NULL && found->state.revoked_at_unix_ms < at_unix_ms)
        found->state.revoked_at_unix_ms = at_unix_ms;
    return found;
}

bool reconciler_accounts_can_read(const struct reconciler_account *account, struct diag *diag)
{
    if (account->unreadable > 0)
        diag_set(diag, STATUS_INVALID, "%zu of its records in the registry cannot be read",
                 account->unreadable);
    else if (account->by_files == NULL && account->is_undecipherable)
        diag_set(diag, STATUS_INVALID, "its declaration in the accounts topic cannot be read");
    else
        return true;
    return false;
}

bool reconciler_accounts_is_gone(const struct reconciler_account *account)
{
    return account->declared == NULL && account->state.record == NULL &&
           account->state.routes_len == 0;
}

/* --- life -------------------------------------------------------------------------------------
 */

enum status reconciler_accounts_new(const char *topic, const struct keyring *keyring,
                                    struct reconciler_accounts **ret)
{
    enum { FIRST = 64 };
    struct reconciler_accounts *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return STATUS_NOMEM;
    a->topic = topic;
    a->keyring = keyring_ref(keyring);
    a->slots_len = FIRST;
    a->slots = calloc(FIRST, sizeof(*a->slots));
    if (a->slots == NULL) {
        a->slots_len = 0;
        reconciler_accounts_free(a);
        return STATUS_NOMEM;
    }
    *ret = a;
    return STATUS_OK;
}

static void free_each(void *ctx, struct reconciler_account *account)
{
    (void)ctx;
    account_free(account);
}

void reconciler_accounts_free(struct reconciler_accounts *a)
{
    if (a == NULL)
        return;
    reconciler_accounts_each(a, free_each, NULL);
    free(a->slots);
    free(a->is_ours);
    free(a->is_led);
    keyring_unref(a->keyring);
    free(a);
}
