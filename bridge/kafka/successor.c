#include "bridge/kafka/successor.h"

#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/client.h"

/* One look: its owner has other work to do, which waits meanwhile. */
#define PROOF_MS 500

/* Between two looks: the brokers learn of new credentials some time before or after us. */
#define LOOK_INTERVAL_MS 3000

enum status successor_init(struct successor *s, const struct cluster *cluster)
{
    *s = (struct successor){.cluster = NULL};
    enum status status = cluster_copy(cluster, &s->cluster);
    return status == STATUS_OK ? cluster_fingerprint(s->cluster, s->present) : status;
}

static void drop(struct successor *s)
{
    if (s->next != NULL)
        rd_kafka_destroy_flags(TAKE(s->next), RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void successor_done(struct successor *s)
{
    drop(s);
    cluster_free(s->cluster);
    s->cluster = NULL;
}

void successor_want(struct successor *s)
{
    atomic_store(&s->is_wanted, true);
}

/* Makes the next one of what the files hold now, unless it is made of that already. */
static enum status prepare(struct successor *s, const struct successor_maker *maker,
                           const uint8_t fingerprint[CRYPTO_SHA256_SIZE], struct diag *diag)
{
    if (s->next != NULL && memcmp(fingerprint, s->made_of, CRYPTO_SHA256_SIZE) == 0)
        return STATUS_OK;
    drop(s);
    memcpy(s->made_of, fingerprint, CRYPTO_SHA256_SIZE);
    return maker->make(maker->ctx, s->cluster, &s->next, diag);
}

static bool is_proven(rd_kafka_t *rk)
{
    CLEANUP(client_metadata_release) const struct rd_kafka_metadata *metadata = NULL;
    return rd_kafka_metadata(rk, 0, NULL, &metadata, PROOF_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Whether it is time for a look. */
static bool is_due(struct successor *s)
{
    int64_t now = clock_mono_ms();
    if (atomic_exchange(&s->is_wanted, false)) {
        s->is_looking = true;
        s->look_at_mono_ms = now;
    }
    if (!s->is_looking || now < s->look_at_mono_ms)
        return false;
    s->look_at_mono_ms = now + LOOK_INTERVAL_MS;
    return true;
}

rd_kafka_t *successor_take(struct successor *s, const struct successor_maker *maker)
{
    uint8_t fingerprint[CRYPTO_SHA256_SIZE];
    struct diag diag = {0};
    if (!is_due(s) || cluster_fingerprint(s->cluster, fingerprint) != STATUS_OK)
        return NULL;
    if (memcmp(fingerprint, s->present, sizeof fingerprint) == 0) {
        drop(s);
        s->is_looking = false;
        return NULL;
    }
    if (prepare(s, maker, fingerprint, &diag) != STATUS_OK) {
        LOG(KAFKA_LOGGED, log_text("error", "no client can be made of the changed files"),
            log_text("message", diag.text));
        return NULL;
    }
    if (!is_proven(s->next))
        return NULL;
    memcpy(s->present, s->made_of, sizeof s->present);
    s->is_looking = false;
    return TAKE(s->next);
}
