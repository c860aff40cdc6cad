#include "bridge/registry/sealed.h"

#include "bridge/base/crypto.h"

static const uint8_t format = 0x01;
static const uint8_t zero = 0x00;

/* What a value is made of; borrowed from it. */
struct parts {
    struct bytes key_name;
    const uint8_t *nonce;
    struct bytes sealed; /* ciphertext and tag */
};

/* Returns false if the value has not the form. */
static bool take_apart(struct bytes value, struct parts *ret)
{
    const size_t head = 2; /* the format and the length of the key's name */
    if (value.len < head || value.len > SEALED_MAX || value.data[0] != format)
        return false;
    size_t name_len = value.data[1];
    if (name_len < 1 || name_len > KEYRING_NAME_MAX ||
        value.len < head + name_len + AES_GCM_NONCE_SIZE + AES_GCM_TAG_SIZE)
        return false;
    ret->key_name = bytes_of(value.data + head, name_len);
    ret->nonce = ret->key_name.data + name_len;
    const uint8_t *sealed = ret->nonce + AES_GCM_NONCE_SIZE;
    ret->sealed = bytes_of(sealed, value.len - (size_t)(sealed - value.data));
    return true;
}

#define AAD_PARTS 6

/* No name of a topic or a key of the ring holds a 0x00, and a record key's end is found from behind
 * the same way: no two places have the same additional data. */
static void additional_data(const char *topic, const struct bytes *key, struct bytes key_name,
                            struct bytes ret[AAD_PARTS])
{
    ret[0] = bytes_of_text(topic);
    ret[1] = bytes_of(&zero, 1);
    ret[2] = *key;
    ret[3] = bytes_of(&zero, 1);
    ret[4] = bytes_of(&format, 1);
    ret[5] = key_name;
}

enum status sealed_seal(const struct keyring *k, const char *topic, struct bytes key,
                        struct bytes plaintext, struct buf *ret)
{
    if (plaintext.len > SEALED_PLAINTEXT_MAX)
        return STATUS_INVALID;
    struct bytes name = bytes_of_text(keyring_name(k, 0)), aad[AAD_PARTS];
    additional_data(topic, &key, name, aad);
    uint8_t nonce[AES_GCM_NONCE_SIZE];
    enum status status = crypto_random(nonce, sizeof(nonce));
    if (status != STATUS_OK)
        return status;

    size_t before = ret->len, sealed_len = plaintext.len + AES_GCM_TAG_SIZE;
    size_t whole = 2 + name.len + sizeof(nonce) + sealed_len;
    if (whole > ret->max - ret->len)
        return STATUS_INVALID;
    status = buf_reserve(ret, ret->len + whole);
    if (status != STATUS_OK)
        return status;
    buf_append(ret, (const uint8_t[]){format, (uint8_t)name.len}, 2);
    buf_append_bytes(ret, name);
    buf_append(ret, nonce, sizeof(nonce));
    status =
        aes_gcm_seal(keyring_key(k, 0), nonce, aad, AAD_PARTS, plaintext, ret->data + ret->len);
    ret->len = status == STATUS_OK ? before + whole : before;
    ret->data[ret->len] = '\0';
    return status;
}

enum status sealed_open(const struct keyring *k, const char *topic, struct bytes key,
                        struct bytes value, struct buf *ret, struct diag *diag)
{
    struct parts parts;
    if (!take_apart(value, &parts))
        return diag_set(diag, STATUS_INVALID, "not a sealed value of format 1");
    size_t index;
    if (!keyring_find(k, parts.key_name, &index))
        return diag_set(diag, STATUS_UNAUTHENTIC,
                        "it is sealed under a key that the keyring has not");
    size_t plaintext_len = parts.sealed.len - AES_GCM_TAG_SIZE;
    if (plaintext_len > ret->max - ret->len)
        return diag_set(diag, STATUS_INVALID, "it holds more than %zu bytes", ret->max - ret->len);
    enum status status = buf_reserve(ret, ret->len + plaintext_len);
    if (status != STATUS_OK)
        return status;

    struct bytes aad[AAD_PARTS];
    additional_data(topic, &key, parts.key_name, aad);
    status = aes_gcm_open(keyring_key(k, index), parts.nonce, aad, AAD_PARTS, parts.sealed,
                          ret->data + ret->len);
    if (status == STATUS_OK)
        ret->len += plaintext_len;
    ret->data[ret->len] = '\0';
    if (status == STATUS_UNAUTHENTIC)
        return diag_set(diag, status,
                        "it was changed, or moved under another key or topic, or the "
                        "keyring's key %s is another",
                        keyring_name(k, index));
    return status;
}

struct bytes sealed_key_name(struct bytes value)
{
    struct parts parts;
    return take_apart(value, &parts) ? parts.key_name : bytes_of(NULL, 0);
}
