#include "bridge/providers/maesn/maesn.h"

#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"
#include "bridge/base/timestamp.h"
#include "bridge/providers/elements.h"
#include "bridge/providers/maesn/integrations.h"
#include "bridge/providers/maesn/maesn_api.h"
#include "bridge/providers/unified.h"

static bool maesn_knows_system(const char *system)
{
    return integration_of(system) != NULL;
}

/* --- verify --------------------------------------------------------------------------------- */

/* Whether this secret, if there is one, signed the body. */
static enum status signed_by(struct secret *secret, struct bytes body,
                             const uint8_t signature[CRYPTO_SHA256_SIZE], bool *ret)
{
    uint8_t expected[CRYPTO_SHA256_SIZE];
    *ret = false;
    if (secret == NULL)
        return STATUS_OK;
    const struct hmac_key *key = NULL;
    enum status status = secret_hmac_key(secret, &key);
    if (status == STATUS_OK)
        status = hmac_sha256(key, &body, 1, expected);
    if (status == STATUS_OK)
        *ret = crypto_equal(bytes_of(expected, sizeof(expected)),
                            bytes_of(signature, sizeof(expected)));
    return status;
}

/* Source: docs.maesn.com, "Webhooks", 2026-02-13: X-MAESN-SIGNATURE is the hex of HMAC-SHA256 over
 * the raw body, keyed with the secret's text.
 */
static enum status maesn_verify(const struct route *r, const struct callback *cb,
                                const struct provider_options *opt, enum verification *ret)
{
    (void)opt;
    uint8_t signature[CRYPTO_SHA256_SIZE];
    bool is_current, is_previous;
    if (cb->signature == NULL ||
        !hex_decode(bytes_of_text(cb->signature), signature, sizeof(signature))) {
        *ret = VERIFICATION_MISSING;
        return STATUS_OK;
    }
    enum status status = signed_by(r->current_secret, cb->body, signature, &is_current);
    if (status == STATUS_OK)
        status = signed_by(r->previous_secret, cb->body, signature, &is_previous);
    if (status != STATUS_OK)
        return status;
    *ret = verification_of_secrets(is_current, is_previous);
    return STATUS_OK;
}

/* --- unify ---------------------------------------------------------------------------------- */

static enum status complete(const struct element *element, void *change)
{
    struct event *ev = element->event;
    struct arena *a = element->arena;
    const char *filter_date;
    enum status status = elements_text(elements_value(element, "resource"), a, &ev->resource);
    if (status != STATUS_OK)
        return status;
    if (ev->resource == NULL) {
        elements_refuse(ev, DEAD_LETTER_NO_RESOURCE, "it has no text \"resource\"");
        return STATUS_OK;
    }
    status = elements_text(elements_value(element, "eventType"), a, &ev->event_type);
    if (status == STATUS_OK)
        status = elements_id(elements_value(element, "resourceId"), a, &ev->resource_id);
    if (status == STATUS_OK)
        status = elements_text(elements_value(element, "filterDate"), a, &filter_date);
    if (status != STATUS_OK)
        return status;
    if (filter_date != NULL)
        timestamp_parse(bytes_of_text(filter_date), &ev->occurred_at_unix_ms);
    return unified_value(element, change);
}

static enum status maesn_unify(const struct route *r, const struct callback *cb,
                               const struct provider_options *opt, struct arena *a,
                               struct event_list *ret)
{
    (void)opt;
    struct unified_change change = {"", unified_reserved, unified_tail(r, a)};
    if (change.tail == NULL)
        return STATUS_NOMEM;
    return elements_split(cb->body, a, complete, &change, ret);
}

const struct provider maesn = {
    .name = "maesn",
    .type_prefix = "com.maesn",
    .signature_header = "X-MAESN-SIGNATURE",
    .delivery_id_header = NULL,
    .probes_registration = false,
    .knows_system = maesn_knows_system,
    .verify = maesn_verify,
    .unify = maesn_unify,
    .api = &maesn_api,
};
