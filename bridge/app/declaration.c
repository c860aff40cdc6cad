#include "bridge/app/declaration.h"

#include <assert.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/base/secret_memory.h"
#include "bridge/domain/provider.h"

DEFINE_CLEANUP(struct arena *, arena_free)

/* --- one block: measured first, then filled by the same walk ----------------------------------
 */

struct packing {
    uint8_t *to; /* NULL: only measured */
    size_t used;
};

static void *pack(struct packing *p, const void *data, size_t size, size_t align)
{
    p->used = (p->used + align - 1) / align * align;
    void *at = p->to == NULL ? NULL : p->to + p->used;
    p->used += size;
    if (at != NULL && size > 0)
        memcpy(at, data, size);
    return at;
}

static const char *pack_text(struct packing *p, const char *text)
{
    return text == NULL ? NULL : pack(p, text, strlen(text) + 1, 1);
}

static const char **pack_texts(struct packing *p, const char **texts, size_t len)
{
    const char **packed = pack(p, texts, len * sizeof(*texts), _Alignof(const char *));
    for (size_t i = 0; i < len; i++) {
        const char *text = pack_text(p, texts[i]);
        if (packed != NULL)
            packed[i] = text;
    }
    return packed;
}

static const struct wanted *pack_wanted(struct packing *p, const struct wanted *wanted, size_t len)
{
    struct wanted *packed = pack(p, wanted, len * sizeof(*wanted), _Alignof(struct wanted));
    for (size_t i = 0; i < len; i++) {
        if (wanted[i].enabled_events == NULL)
            continue;
        const char **events = pack_texts(p, wanted[i].enabled_events, wanted[i].enabled_events_len);
        if (packed != NULL)
            packed[i].enabled_events = events;
    }
    return packed;
}

/* A secret is no text: it gets its NUL here. */
static const char *pack_secret(struct packing *p, const struct secret *secret)
{
    if (secret == NULL)
        return NULL;
    struct bytes text = secret_bytes(secret);
    char *packed = pack(p, text.data, text.len, 1);
    pack(p, "", 1, 1);
    return packed;
}

static const char *first_error(const struct expansion *e)
{
    for (size_t i = 0; i < e->problems_len; i++)
        if (!e->problems[i].is_warning)
            return e->problems[i].text;
    return NULL;
}

static struct desired_account pack_all(struct packing *p, const struct account *account,
                                       const struct expansion *e)
{
    return (struct desired_account){
        .wanted = pack_wanted(p, e->wanted, e->wanted_len),
        .wanted_len = e->wanted_len,
        .account = pack_text(p, account->id),
        .provider = account->provider->name,
        .system = pack_text(p, account->system),
        .company_id = pack_text(p, e->company_id),
        .environment_name = pack_text(p, e->environment_name),
        .account_key = pack_secret(p, account->account_key),
        .invalid = pack_text(p, first_error(e)),
    };
}

/* --- the declaration --------------------------------------------------------------------------
 */

enum status declaration_new(const struct account *account,
                            const struct integration_overrides *overrides, struct declaration **ret)
{
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(EXPANSION_ARENA_MAX);
    struct expansion expansion = {0};
    if (a == NULL)
        return STATUS_NOMEM;
    enum status status = account->provider->api->expand(account, overrides, a, &expansion);
    if (status != STATUS_OK)
        return status;
    struct declaration empty = {.refs = 1};
    struct packing measured = {0};
    pack(&measured, &empty, sizeof(empty), _Alignof(struct declaration));
    (void)pack_all(&measured, account, &expansion);

    struct packing filled = {.to = secret_memory_alloc(measured.used)};
    if (filled.to == NULL)
        return STATUS_NOMEM;
    struct declaration *d = pack(&filled, &empty, sizeof(empty), _Alignof(struct declaration));
    d->desired = pack_all(&filled, account, &expansion);
    d->size = filled.used;
    assert(filled.used == measured.used);
    *ret = d;
    return STATUS_OK;
}

struct declaration *declaration_ref(struct declaration *d)
{
    d->refs++;
    return d;
}

void declaration_unref(struct declaration *d)
{
    if (d == NULL || --d->refs > 0)
        return;
    secret_memory_free(d, d->size);
}

/* --- comparing --------------------------------------------------------------------------------
 */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_wanted(const struct wanted *a, const struct wanted *b)
{
    if (!specification_equal(&a->specification, &b->specification) ||
        a->enabled_events_len != b->enabled_events_len)
        return false;
    for (size_t i = 0; i < a->enabled_events_len; i++)
        if (strcmp(a->enabled_events[i], b->enabled_events[i]) != 0)
            return false;
    return true;
}

bool declaration_equal(const struct declaration *a, const struct declaration *b)
{
    const struct desired_account *x = &a->desired, *y = &b->desired;
    if (!same_text(x->account, y->account) || !same_text(x->provider, y->provider) ||
        !same_text(x->system, y->system) || !same_text(x->company_id, y->company_id) ||
        !same_text(x->environment_name, y->environment_name) ||
        !crypto_equal(bytes_of_text(x->account_key), bytes_of_text(y->account_key)) ||
        !same_text(x->invalid, y->invalid) || x->wanted_len != y->wanted_len)
        return false;
    for (size_t i = 0; i < x->wanted_len; i++)
        if (!same_wanted(&x->wanted[i], &y->wanted[i]))
            return false;
    return true;
}
