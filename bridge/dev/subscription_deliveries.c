#include "bridge/dev/subscription_deliveries.h"

#include <stdio.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

DEFINE_CLEANUP(struct hmac_key *, hmac_key_free)

/* One turn, under the lock of the world. */
struct turn {
    struct provider_world *world;
    struct delivery *delivery;
    uint8_t random[TENANT_RANDOM_SIZE];
    int64_t now_unix_ms;
    enum status status;
};

/* "maesn/acme-42/invoice/all" of "/in/maesn/acme-42/invoice/all/1795...-k7q", in which the bridge
 * counts; a URL of another form has none, and nobody can say what the ids of its records are. */
static struct bytes specification_of(const char *path)
{
    static const char root[] = "/in/";
    const char *end = strrchr(path, '/');
    if (strncmp(path, root, strlen(root)) != 0 || end < path + strlen(root))
        return bytes_of(NULL, 0);
    return bytes_of(path + strlen(root), (size_t)(end - path) - strlen(root));
}

/* --- Maesn ------------------------------------------------------------------------------------ */

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static enum status write_maesn(struct turn *turn, const struct world_account *account,
                               const struct world_subscription *s, const struct hmac_key *key)
{
    struct delivery *d = turn->delivery;
    struct tenant_scope scope;
    struct bytes specification = specification_of(s->path);
    if (!tenant_system_narrow(account->system, or_null(s->resource), or_null(s->event_type),
                              &scope) ||
        scope.system.resources_len == 0)
        return STATUS_BUSY;
    size_t events = tenant_write_body(&scope.system, turn->random, turn->now_unix_ms, &d->body);
    if (d->body.status != STATUS_OK)
        return d->body.status;
    enum status status =
        delivery_identify(d, specification, specification.data == NULL ? 0 : events);
    return status == STATUS_OK ? delivery_sign_maesn(d, key) : status;
}

/* --- Moneybird -------------------------------------------------------------------------------- */

/* What an event without enabled_events is. Source: github.com/moneybird/openapi,
 * changelog/2017-03-27. */
static const char legacy_event[] = "sales_invoice_state_changed_to_paid";

/* The class of the thing that changed; the first beginning that fits. The list is ours: the
 * vendor's is not public. */
static const char *entity_type_of(const char *event)
{
    static const struct {
        const char *beginning, *entity_type;
    } rows[] = {
        {"contact_person_", "ContactPerson"},
        {"contact_", "Contact"},
        {"external_sales_invoice_", "ExternalSalesInvoice"},
        {"sales_invoice_", "SalesInvoice"},
        {"credit_invoice_", "SalesInvoice"},
        {"payment_transaction_", "PaymentTransaction"},
        {"payment_", "Payment"},
        {"tax_rate_", "TaxRate"},
        {"default_tax_rate_", "TaxRate"},
        {"document_", "Document"},
        {"access_token_", "AccessToken"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strncmp(event, rows[i].beginning, strlen(rows[i].beginning)) == 0)
            return rows[i].entity_type;
    return "Administration";
}

/* Keys in the order of the published sample. Source: developer.moneybird.com, "Payload", 2026. */
static enum status write_moneybird(struct turn *turn, const struct world_account *account,
                                   const struct world_subscription *s, const struct hmac_key *key)
{
    struct delivery *d = turn->delivery;
    const char *action = s->enabled_events_len == 0
                             ? legacy_event
                             : s->enabled_events[turn->random[0] % s->enabled_events_len];
    uint64_t entity;
    memcpy(&entity, turn->random + 1, sizeof(entity));
    entity = 400000000000000000 + entity % 100000000000000000;
    buf_printf(&d->body,
               "{\"administration_id\":\"%s\",\"webhook_id\":\"%s\",\"webhook_token\":\"%s\","
               "\"entity_type\":\"%s\",\"entity_id\":\"%llu\",\"state\":null,\"action\":\"%s\","
               "\"entity\":{\"id\":\"%llu\"}}",
               account->administration, s->id, s->token, entity_type_of(action),
               (unsigned long long)entity, action, (unsigned long long)entity);
    return d->body.status == STATUS_OK ? delivery_sign_moneybird(d, key, turn->now_unix_ms)
                                       : d->body.status;
}

/* --- the source ------------------------------------------------------------------------------- */

static void write_delivery(void *owner, const struct world_subscription *s)
{
    struct turn *turn = owner;
    struct delivery *d = turn->delivery;
    const struct world_account *account = world_account(turn->world, s->account);
    CLEANUP(hmac_key_free_scoped) struct hmac_key *key = NULL;
    d->port = s->port;
    snprintf(d->path, sizeof(d->path), "%s", s->path);
    memcpy(d->subscription, s->id, sizeof(d->subscription));
    turn->status = hmac_key_new(bytes_of_text(s->secret), &key);
    if (turn->status == STATUS_OK)
        turn->status = account->provider == WORLD_MAESN ? write_maesn(turn, account, s, key)
                                                        : write_moneybird(turn, account, s, key);
}

static enum status compose(void *owner, uint64_t n, struct delivery *d)
{
    struct turn turn = {.world = owner, .delivery = d, .now_unix_ms = world_now_unix_ms(owner)};
    enum status status = crypto_random(turn.random, sizeof(turn.random));
    if (status != STATUS_OK)
        return status;
    return world_take_turn(owner, n, write_delivery, &turn) ? turn.status : STATUS_BUSY;
}

static void answered(void *owner, const struct delivery *d, int code)
{
    world_note_answer(owner, d->subscription, code);
}

struct delivery_source subscription_deliveries_source(struct provider_world *w)
{
    return (struct delivery_source){.compose = compose, .answered = answered, .owner = w};
}
