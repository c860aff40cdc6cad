/* A callback with all that is needed to send it, and to know its records again. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/dev/ledger.h"
#include "bridge/dev/provider_world.h"
#include "bridge/dev/tenant.h"

struct hmac_key;

struct delivery {
    bool forged; /* to be wrongly signed */
    uint16_t port;
    char path[WORLD_PATH_SIZE];
    char headers[256]; /* the signature, and what else the provider adds: whole lines */
    struct buf body;
    struct ledger_id ids[TENANT_EVENTS_MAX]; /* of the records that it becomes */
    size_t ids_len;
    char subscription[WORLD_ID_SIZE]; /* whose it is; "" where there is none */
};

void delivery_init(struct delivery *d, bool forged);
void delivery_done(struct delivery *d);

/* Where deliveries come from. */
struct delivery_source {
    /* Fills in all of d for the n-th callback. Errors: any; then none is sent. Thread: any. */
    enum status (*compose)(void *owner, uint64_t n, struct delivery *d);
    /* May be NULL. code 0: no answer came. Thread: any. */
    void (*answered)(void *owner, const struct delivery *d, int code);
    void *owner;
};

/* Computes the ids of so many events that the bridge promises to put into ce_id, independently of
 * it. Errors: STATUS_NOMEM. */
enum status delivery_identify(struct delivery *d, struct bytes specification, size_t events)
    MUST_CHECK;

/* Sign the body. Source: https://docs.maesn.com/webhook as of 2026-02-13.
 * Errors: STATUS_NOMEM. */
enum status delivery_sign_maesn(struct delivery *d, const struct hmac_key *key) MUST_CHECK;

/* With an idempotency key, which is then the ce_id of its one event.
 * Source: developer.moneybird.com, "Verifying signatures" and "Payload", 2026.
 * Errors: STATUS_NOMEM. STATUS_INTERNAL no random bytes.
 */
enum status delivery_sign_moneybird(struct delivery *d, const struct hmac_key *key,
                                    int64_t now_unix_ms) MUST_CHECK;
