#include "bridge/dev/tenant_deliveries.h"

#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"

static enum status compose(void *owner, uint64_t n, struct delivery *d)
{
    const struct tenant_deliveries *t = owner;
    const struct tenant *tenant = &t->tenants[n % t->tenants_len];
    uint8_t random[TENANT_RANDOM_SIZE];
    enum status status = crypto_random(random, sizeof(random));
    if (status != STATUS_OK)
        return status;
    d->port = t->port;
    snprintf(d->path, sizeof(d->path), "%s", tenant->path);
    size_t events = tenant_write_body(tenant->system, random, clock_unix_ms(), &d->body);
    status = d->body.status;
    if (status == STATUS_OK)
        status = delivery_identify(d, bytes_of_text(tenant->specification), events);
    const struct hmac_key *key = NULL;
    if (status == STATUS_OK)
        status = secret_hmac_key(t->secrets[n % t->tenants_len], &key);
    return status == STATUS_OK ? delivery_sign_maesn(d, key) : status;
}

struct delivery_source tenant_deliveries_source(struct tenant_deliveries *t)
{
    return (struct delivery_source){.compose = compose, .owner = t};
}
