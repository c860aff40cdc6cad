#include "bridge/dev/delivery.h"

#include <inttypes.h>
#include <stdio.h>

#include "bridge/base/crypto.h"

/* Three events of some 150 bytes; Moneybird's one of some 400. */
static const size_t body_max = 1024;

void delivery_init(struct delivery *d, bool forged)
{
    *d = (struct delivery){.forged = forged};
    buf_init(&d->body, body_max);
}

void delivery_done(struct delivery *d)
{
    buf_done(&d->body);
}

/* The first half of SHA-256 over specification, 0x00, body, 0x00, the event's index in decimal. */
enum status delivery_identify(struct delivery *d, struct bytes specification, size_t events)
{
    for (size_t i = 0; i < events; i++) {
        const char index[] = {(char)('0' + i)};
        const struct bytes parts[] = {
            specification,   bytes_of("", 1),    buf_bytes(&d->body),
            bytes_of("", 1), bytes_of(index, 1),
        };
        uint8_t digest[CRYPTO_SHA256_SIZE];
        enum status status = sha256(parts, sizeof(parts) / sizeof(parts[0]), digest);
        if (status != STATUS_OK)
            return status;
        memcpy(d->ids[i].bytes, digest, sizeof(d->ids[i].bytes));
    }
    d->ids_len = events;
    return STATUS_OK;
}

/* Hex of the HMAC, or of another one if it is to be forged. */
static enum status sign(const struct delivery *d, const struct hmac_key *key,
                        const struct bytes parts[], size_t parts_len,
                        char ret[2 * CRYPTO_SHA256_SIZE + 1])
{
    uint8_t mac[CRYPTO_SHA256_SIZE];
    enum status status = hmac_sha256(key, parts, parts_len, mac);
    if (status != STATUS_OK)
        return status;
    if (d->forged)
        mac[0] ^= 1;
    hex_encode(bytes_of(mac, sizeof(mac)), ret);
    return STATUS_OK;
}

enum status delivery_sign_maesn(struct delivery *d, const struct hmac_key *key)
{
    char signature[2 * CRYPTO_SHA256_SIZE + 1];
    const struct bytes body = buf_bytes(&d->body);
    enum status status = sign(d, key, &body, 1, signature);
    if (status == STATUS_OK)
        snprintf(d->headers, sizeof(d->headers), "X-MAESN-SIGNATURE: %s\r\n", signature);
    return status;
}

enum status delivery_sign_moneybird(struct delivery *d, const struct hmac_key *key,
                                    int64_t now_unix_ms)
{
    char instant[24], signature[2 * CRYPTO_SHA256_SIZE + 1], id[2 * LEDGER_ID_SIZE + 1];
    snprintf(instant, sizeof(instant), "%" PRId64, now_unix_ms / 1000);
    const struct bytes parts[] = {bytes_of_text(instant), BYTES_LITERAL("."), buf_bytes(&d->body)};
    if (crypto_random(d->ids[0].bytes, LEDGER_ID_SIZE) != STATUS_OK)
        return STATUS_INTERNAL;
    enum status status = sign(d, key, parts, sizeof(parts) / sizeof(parts[0]), signature);
    if (status != STATUS_OK)
        return status;
    d->ids_len = 1;
    hex_encode(bytes_of(d->ids[0].bytes, LEDGER_ID_SIZE), id);
    snprintf(d->headers, sizeof(d->headers),
             "Moneybird-Signature: t=%s,v1=%s\r\nIdempotency-Key: %s\r\n", instant, signature, id);
    return STATUS_OK;
}
