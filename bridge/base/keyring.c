#include "bridge/base/keyring.h"

#include <stdatomic.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret_memory.h"

/* All keys, each with a long line of comment. */
static const size_t file_max = 65536;

struct key {
    char name[KEYRING_NAME_MAX + 1];
    uint8_t bytes[KEYRING_KEY_SIZE];
    struct hmac_key *hmac;
};

struct keyring {
    atomic_uint refs;
    size_t len;
    struct key keys[KEYRING_KEYS_MAX];
};

DEFINE_CLEANUP(struct keyring *, keyring_unref)

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next line off *text, without its comment and the blanks around it. */
static struct bytes take_line(struct bytes *text)
{
    const uint8_t *newline = memchr(text->data, '\n', text->len);
    struct bytes line = bytes_of(text->data, text->len);
    if (newline != NULL)
        line.len = (size_t)(newline - text->data);
    size_t taken = newline == NULL ? line.len : line.len + 1;
    *text = bytes_of(text->data + taken, text->len - taken);

    const uint8_t *comment = line.len == 0 ? NULL : memchr(line.data, '#', line.len);
    if (comment != NULL)
        line.len = (size_t)(comment - line.data);
    while (line.len > 0 && is_blank(line.data[line.len - 1]))
        line.len--;
    while (line.len > 0 && is_blank(line.data[0]))
        line = bytes_of(line.data + 1, line.len - 1);
    return line;
}

/* It stands in records and in messages. */
static bool name_is_valid(struct bytes name)
{
    if (name.len < 1 || name.len > KEYRING_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return true;
}

/* What is wrong with the line, or NULL: the last key of the ring is then the line's, not yet
 * counted and without its HMAC key. */
static const char *read_key(struct bytes line, struct keyring *k)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    struct bytes name = bytes_of(line.data, colon == NULL ? 0 : (size_t)(colon - line.data));
    if (!name_is_valid(name))
        return "expected name:64 hex digits, the name 1 to 63 letters, digits, \".\", \"_\" and "
               "\"-\"";
    if (k->len == KEYRING_KEYS_MAX)
        return "expected at most 64 keys";
    size_t same;
    if (keyring_find(k, name, &same))
        return "expected a name that no line above has";

    struct key *key = &k->keys[k->len];
    struct bytes hex = bytes_of(colon + 1, line.len - name.len - 1);
    if (!hex_decode(hex, key->bytes, sizeof(key->bytes)))
        return "expected 64 hex digits behind the name";
    for (size_t i = 0; i < k->len; i++)
        if (crypto_equal(bytes_of(k->keys[i].bytes, KEYRING_KEY_SIZE),
                         bytes_of(key->bytes, KEYRING_KEY_SIZE)))
            return "expected a key that no line above has";
    memcpy(key->name, name.data, name.len);
    return NULL;
}

enum status keyring_parse(struct bytes text, const char *source, struct keyring **ret,
                          struct diag *diag)
{
    CLEANUP(keyring_unref_scoped) struct keyring *k = secret_memory_alloc(sizeof(*k));
    if (k == NULL)
        return STATUS_NOMEM;
    atomic_init(&k->refs, 1);
    for (unsigned number = 1; text.len > 0; number++) {
        struct bytes line = take_line(&text);
        if (line.len == 0)
            continue;
        const char *wrong = read_key(line, k);
        if (wrong != NULL)
            return diag_set(diag, STATUS_INVALID, "%s:%u: %s", source, number, wrong);
        struct key *key = &k->keys[k->len];
        enum status status = hmac_key_new(bytes_of(key->bytes, KEYRING_KEY_SIZE), &key->hmac);
        if (status != STATUS_OK)
            return status;
        k->len++;
    }
    if (k->len == 0)
        return diag_set(diag, STATUS_INVALID, "%s: no key, expected a line name:64 hex digits",
                        source);
    *ret = TAKE(k);
    return STATUS_OK;
}

enum status keyring_from_file(const char *path, struct keyring **ret, struct diag *diag)
{
    CLEANUP(buf_wipe_done) struct buf content;
    buf_init(&content, file_max);
    enum status status = buf_reserve(&content, file_max); /* one block: growing leaves copies */
    if (status == STATUS_OK)
        status = file_read(path, &content, diag);
    return status == STATUS_OK ? keyring_parse(buf_bytes(&content), path, ret, diag) : status;
}

struct keyring *keyring_ref(const struct keyring *k)
{
    struct keyring *shared = (struct keyring *)k;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void keyring_unref(const struct keyring *k)
{
    struct keyring *shared = (struct keyring *)k;
    if (k == NULL || atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < k->len; i++)
        hmac_key_free(k->keys[i].hmac);
    secret_memory_free(shared, sizeof(*shared));
}

size_t keyring_len(const struct keyring *k)
{
    return k->len;
}

const char *keyring_name(const struct keyring *k, size_t key)
{
    return k->keys[key].name;
}

const uint8_t *keyring_key(const struct keyring *k, size_t key)
{
    return k->keys[key].bytes;
}

const struct hmac_key *keyring_hmac_key(const struct keyring *k, size_t key)
{
    return k->keys[key].hmac;
}

bool keyring_find(const struct keyring *k, struct bytes name, size_t *ret_key)
{
    for (size_t i = 0; i < k->len; i++) {
        if (!bytes_equal(bytes_of_text(k->keys[i].name), name))
            continue;
        *ret_key = i;
        return true;
    }
    return false;
}
