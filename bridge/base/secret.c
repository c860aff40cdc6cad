#include "bridge/base/secret.h"

#include <stdatomic.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret_memory.h"

struct secret {
    atomic_uint refs;
    _Atomic(struct hmac_key *) key; /* NULL: nothing was signed with it yet */
    size_t len;
    uint8_t text[];
};

enum status secret_new(struct bytes text, struct secret **ret, struct diag *diag)
{
    if (text.len == 0)
        return diag_set(diag, STATUS_INVALID, "the secret is empty");
    if (text.len > SECRET_MAX)
        return diag_set(diag, STATUS_INVALID, "the secret is longer than %d bytes", SECRET_MAX);
    struct secret *s = secret_memory_alloc(sizeof(*s) + text.len);
    if (s == NULL)
        return STATUS_NOMEM;
    atomic_init(&s->refs, 1);
    s->len = text.len;
    memcpy(s->text, text.data, text.len);
    *ret = s;
    return STATUS_OK;
}

enum status secret_from_file(const char *path, struct secret **ret, struct diag *diag)
{
    CLEANUP(buf_wipe_done) struct buf content;
    buf_init(&content, SECRET_MAX + 2);
    enum status status =
        buf_reserve(&content, SECRET_MAX + 2); /* one block: no copy is left behind by growing */
    if (status == STATUS_OK)
        status = file_read(path, &content, diag);
    if (status != STATUS_OK)
        return status;

    struct bytes text = buf_bytes(&content);
    if (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.len < content.len && text.data[text.len - 1] == '\r')
        text.len--;
    struct diag why = {0};
    status = secret_new(text, ret, &why);
    return status == STATUS_INVALID ? diag_set(diag, status, "%s: %s", path, why.text) : status;
}

struct secret *secret_ref(struct secret *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void secret_unref(struct secret *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    hmac_key_free(s->key);
    secret_memory_free(s, sizeof(*s) + s->len);
}

struct bytes secret_bytes(const struct secret *s)
{
    return bytes_of(s->text, s->len);
}

/* Two threads may both make it: the second one's goes. */
enum status secret_hmac_key(struct secret *s, const struct hmac_key **ret)
{
    struct hmac_key *key = atomic_load_explicit(&s->key, memory_order_acquire);
    if (key == NULL) {
        struct hmac_key *made = NULL;
        enum status status = hmac_key_new(secret_bytes(s), &made);
        if (status != STATUS_OK)
            return status;
        if (atomic_compare_exchange_strong_explicit(&s->key, &key, made, memory_order_acq_rel,
                                                    memory_order_acquire))
            key = made;
        else
            hmac_key_free(made);
    }
    *ret = key;
    return STATUS_OK;
}
