#include "bridge/registry/route_reader.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/sealed.h"

/* Sealed values that are kept for a key to come: 100,000 of the usual size. A route beyond waits
 * for its next record, or for a new start of the process. */
static const size_t kept_max_bytes = 64 * 1024 * 1024;

/* A record whose key the ring has not. */
struct kept {
    struct kept *previous;
    struct kept *next;
    size_t size; /* of all of it */
    struct bytes key;
    struct bytes value;
    uint8_t data[];
};

struct route_reader {
    struct route_index *index;
    const char *topic;
    pthread_mutex_t lock; /* guards the rest */
    struct keyring *keyring;
    void *tree;       /* of what is kept, by key; tsearch(3) */
    struct kept kept; /* the list's head */
    size_t kept_bytes;
};

DEFINE_CLEANUP(struct route_record *, route_record_free)

/* --- what is kept -------------------------------------------------------------------------- */

static int compare_kept(const void *left, const void *right)
{
    const struct kept *a = left, *b = right;
    size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order = memcmp(a->key.data, b->key.data, len);
    return order != 0 ? order : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

static void forget(struct route_reader *x, struct bytes key)
{
    const struct kept wanted = {.key = key};
    struct kept *const *found = tfind(&wanted, &x->tree, compare_kept);
    if (found == NULL)
        return;
    struct kept *k = *found;
    tdelete(k, &x->tree, compare_kept);
    k->previous->next = k->next;
    k->next->previous = k->previous;
    x->kept_bytes -= k->size;
    free(k);
}

/* Without memory, or room, it is not kept: the route is disabled all the same. */
static void keep(struct route_reader *x, struct bytes key, struct bytes value)
{
    size_t size = sizeof(struct kept) + key.len + value.len;
    forget(x, key);
    struct kept *k = x->kept_bytes + size > kept_max_bytes ? NULL : malloc(size);
    if (k == NULL)
        return;
    memcpy(k->data, key.data, key.len);
    memcpy(k->data + key.len, value.data, value.len);
    k->size = size;
    k->key = bytes_of(k->data, key.len);
    k->value = bytes_of(k->data + key.len, value.len);
    if (tsearch(k, &x->tree, compare_kept) == NULL) {
        free(k);
        return;
    }
    k->previous = &x->kept;
    k->next = x->kept.next;
    k->next->previous = k;
    x->kept.next = k;
    x->kept_bytes += size;
}

/* --- records ------------------------------------------------------------------------------- */

/* Opens and parses. Errors: STATUS_UNAUTHENTIC, STATUS_INVALID, STATUS_NOMEM as sealed_open() and
 * route_record_read(). */
static enum status read_record(struct route_reader *x, const struct callback_url *url,
                               struct bytes key, struct bytes value, struct route_record **ret,
                               struct diag *diag)
{
    CLEANUP(route_record_free_scoped) struct route_record *r = NULL;
    struct buf json;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = sealed_open(x->keyring, x->topic, key, value, &json, diag);
    if (status == STATUS_OK)
        status = route_record_read(buf_bytes(&json), &r, diag);
    buf_wipe_done(&json);
    if (status != STATUS_OK)
        return status;
    if (!specification_equal(&r->url.specification, &url->specification) ||
        r->url.generation_unix_ms != url->generation_unix_ms)
        return diag_set(diag, STATUS_INVALID, "route record: it is of another route than its key");
    *ret = TAKE(r);
    return STATUS_OK;
}

static enum route_reading reading_of(enum status status, enum route_reading otherwise)
{
    return status == STATUS_OK ? otherwise : ROUTE_READING_NOMEM;
}

/* The lock is held. */
static enum route_reading take_route(struct route_reader *x, const struct callback_url *url,
                                     struct bytes key, struct bytes value, struct diag *diag)
{
    CLEANUP(route_record_free_scoped) struct route_record *r = NULL;
    if (value.data == NULL) {
        route_index_remove(x->index, url);
        forget(x, key);
        return ROUTE_READING_APPLIED;
    }
    enum status status = read_record(x, url, key, value, &r, diag);
    if (status == STATUS_NOMEM)
        return ROUTE_READING_NOMEM;
    if (status != STATUS_OK) {
        keep(x, key, value);
        return reading_of(route_index_disable(x->index, url), ROUTE_READING_UNREADABLE);
    }
    enum route_reading reading = reading_of(route_index_apply(x->index, r), ROUTE_READING_APPLIED);
    if (reading == ROUTE_READING_APPLIED)
        forget(x, key);
    return reading;
}

enum route_reading route_reader_take(struct route_reader *x, int32_t partition, int32_t partitions,
                                     struct bytes key, struct bytes value, struct diag *diag)
{
    struct registry_key k = {.kind = REGISTRY_KEY_UNKNOWN};
    if (key.data != NULL)
        k = registry_key_read(key);
    if (k.kind != REGISTRY_KEY_ROUTE && k.kind != REGISTRY_KEY_ACCOUNT)
        return ROUTE_READING_IGNORED;
    int32_t expected = registry_key_partition(k.account, partitions);
    if (partition != expected) {
        diag_set(diag, STATUS_INVALID,
                 "topic %s: a record of account %s is in partition %d, expected %d: the topic was "
                 "resized",
                 x->topic, k.account, (int)partition, (int)expected);
        return ROUTE_READING_MISPLACED;
    }
    if (k.kind == REGISTRY_KEY_ACCOUNT)
        return ROUTE_READING_IGNORED;
    pthread_mutex_lock(&x->lock);
    enum route_reading reading = take_route(x, &k.url, key, value, diag);
    pthread_mutex_unlock(&x->lock);
    return reading;
}

size_t route_reader_set_keyring(struct route_reader *x, const struct keyring *keyring)
{
    size_t read = 0;
    pthread_mutex_lock(&x->lock);
    keyring_unref(x->keyring);
    x->keyring = keyring_ref(keyring);
    for (struct kept *k = x->kept.next, *next; k != &x->kept; k = next) {
        next = k->next;
        CLEANUP(route_record_free_scoped) struct route_record *r = NULL;
        struct registry_key key = registry_key_read(k->key);
        if (read_record(x, &key.url, k->key, k->value, &r, NULL) != STATUS_OK ||
            route_index_apply(x->index, r) != STATUS_OK)
            continue;
        forget(x, k->key);
        read++;
    }
    pthread_mutex_unlock(&x->lock);
    return read;
}

/* --- the reader ---------------------------------------------------------------------------- */

enum status route_reader_new(struct route_index *index, const char *topic,
                             const struct keyring *keyring, struct route_reader **ret)
{
    struct route_reader *x = calloc(1, sizeof(*x));
    if (x == NULL || pthread_mutex_init(&x->lock, NULL) != 0) {
        free(x);
        return STATUS_NOMEM;
    }
    x->index = index;
    x->topic = topic;
    x->keyring = keyring_ref(keyring);
    x->kept.next = x->kept.previous = &x->kept;
    *ret = x;
    return STATUS_OK;
}

void route_reader_free(struct route_reader *x)
{
    if (x == NULL)
        return;
    tdestroy(x->tree, free);
    keyring_unref(x->keyring);
    pthread_mutex_destroy(&x->lock);
    free(x);
}
