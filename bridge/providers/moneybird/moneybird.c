#include "bridge/providers/moneybird/moneybird.h"

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/providers/elements.h"
#include "bridge/providers/moneybird/events.h"
#include "bridge/providers/moneybird/moneybird_api.h"
#include "bridge/providers/moneybird/signature.h"
#include "bridge/providers/moneybird/token_mask.h"
#include "bridge/providers/unified.h"

static bool moneybird_knows_system(const char *system)
{
    return strcmp(system, "moneybird") == 0;
}

/* --- verify --------------------------------------------------------------------------------- */

DEFINE_CLEANUP(struct arena *, arena_free)

/* Whether this secret, if there is one, made any of the signatures. */
static enum status signed_by(struct secret *secret, const struct signature *signature,
                             struct bytes body, bool *ret)
{
    *ret = false;
    if (secret == NULL)
        return STATUS_OK;
    const struct bytes parts[] = {signature->timestamp, BYTES_LITERAL("."), body};
    uint8_t expected[CRYPTO_SHA256_SIZE];
    const struct hmac_key *key = NULL;
    enum status status = secret_hmac_key(secret, &key);
    if (status == STATUS_OK)
        status = hmac_sha256(key, parts, 3, expected);
    for (size_t i = 0; status == STATUS_OK && i < signature->v1_len; i++)
        *ret |= crypto_equal(bytes_of(expected, sizeof(expected)),
                             bytes_of(signature->v1[i], sizeof(expected)));
    return status;
}

static bool is_stale(int64_t unix_ms, int64_t now_unix_ms, int64_t tolerance_ms)
{
    int64_t off_ms = now_unix_ms > unix_ms ? now_unix_ms - unix_ms : unix_ms - now_unix_ms;
    return tolerance_ms > 0 && off_ms > tolerance_ms;
}

static enum status verify_signature(const struct route *r, const struct callback *cb,
                                    int64_t tolerance_ms, enum verification *ret)
{
    struct signature signature;
    bool is_current, is_previous;
    if (!signature_parse(cb->signature, &signature)) {
        *ret = VERIFICATION_MISSING;
        return STATUS_OK;
    }
    enum status status = signed_by(r->current_secret, &signature, cb->body, &is_current);
    if (status == STATUS_OK)
        status = signed_by(r->previous_secret, &signature, cb->body, &is_previous);
    if (status != STATUS_OK)
        return status;
    *ret = is_stale(signature.unix_ms, cb->received_at_unix_ms, tolerance_ms)
               ? verification_if(is_current | is_previous, VERIFICATION_STALE)
               : verification_of_secrets(is_current, is_previous);
    return STATUS_OK;
}

static enum status note_token(const struct element *element, void *token)
{
    *(struct bytes *)token = elements_value(element, "webhook_token");
    return STATUS_OK;
}

/* The member webhook_token of a body that is one object; NULL in *ret when there is none. */
static enum status read_token(struct bytes body, struct arena *a, const char **ret)
{
    struct event_list events;
    struct bytes token = {NULL, 0};
    enum status status = elements_split(body, a, note_token, &token, &events);
    if (status != STATUS_OK)
        return status;
    bool is_one = events.len == 1 && events.items[0].reason == DEAD_LETTER_NONE;
    return elements_text(is_one ? token : bytes_of(NULL, 0), a, ret);
}

static enum status verify_token(const struct secret *expected, struct bytes body,
                                enum verification *ret)
{
    const char *token;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536 + 4 * body.len);
    if (a == NULL)
        return STATUS_NOMEM;
    enum status status = read_token(body, a, &token);
    if (status != STATUS_OK)
        return status;
    if (token == NULL)
        *ret = VERIFICATION_MISSING;
    else
        *ret = verification_if(crypto_equal(bytes_of_text(token), secret_bytes(expected)),
                               VERIFICATION_TOKEN);
    return STATUS_OK;
}

/* The token counts only where no secret is known: it travels in every body, so that whoever has
 * seen one could otherwise leave the signature out.
 */
static enum status moneybird_verify(const struct route *r, const struct callback *cb,
                                    const struct provider_options *opt, enum verification *ret)
{
    bool has_secret = r->current_secret != NULL || r->previous_secret != NULL;
    if (!has_secret && r->token != NULL)
        return verify_token(r->token, cb->body, ret);
    return verify_signature(r, cb, opt->signature_tolerance_ms, ret);
}

/* --- unify ---------------------------------------------------------------------------------- */

/* Left out of the value: what the bridge says itself, the token, and (last) the full record. */
static const char *const dropped_thin[] = {"account",       "system",   "provider",
                                           "eventType",     "resource", "resourceId",
                                           "webhook_token", "entity",   NULL};
static const char *const dropped_full[] = {"account",  "system",     "provider",      "eventType",
                                           "resource", "resourceId", "webhook_token", NULL};

/* By the event's name, or by the class in a push from before 2019, which has no action.
 * Source: developer.moneybird.com, "Payload", 2026. */
static enum status read_meaning(const struct element *element, struct moneybird_meaning *ret)
{
    struct arena *a = element->arena;
    const char *action, *entity_type;
    *ret = (struct moneybird_meaning){NULL, NULL};
    enum status status = elements_text(elements_value(element, "action"), a, &action);
    if (status == STATUS_OK && action != NULL)
        return events_meaning(action, a, ret);
    if (status == STATUS_OK)
        status = elements_text(elements_value(element, "entity_type"), a, &entity_type);
    if (status == STATUS_OK && entity_type != NULL)
        return events_meaning_of_class(entity_type, a, ret);
    return status;
}

/* The members that Moneybird calls otherwise, as JSON. */
static enum status write_head(const struct event *ev, struct bytes entity_id, struct arena *a,
                              const char **ret)
{
    CLEANUP(buf_done) struct buf head;
    buf_init(&head, 8 * strlen(ev->resource) + entity_id.len + 256);
    if (ev->event_type != NULL)
        buf_printf(&head, "\"eventType\":\"%s\",", ev->event_type);
    buf_append_text(&head, "\"resource\":");
    json_text_string(&head, bytes_of_text(ev->resource));
    if (ev->resource_id != NULL) {
        buf_append_text(&head, ",\"resourceId\":");
        buf_append_bytes(&head, entity_id);
    }
    *ret = head.status == STATUS_OK ? arena_dup(a, buf_bytes(&head)) : NULL;
    return *ret == NULL ? STATUS_NOMEM : STATUS_OK;
}

static enum status complete_understood(const struct element *element, struct unified_change change)
{
    struct event *ev = element->event;
    struct bytes entity_id = elements_value(element, "entity_id");
    enum status status = elements_id(entity_id, element->arena, &ev->resource_id);
    if (status == STATUS_OK)
        status = write_head(ev, entity_id, element->arena, &change.head);
    return status == STATUS_OK ? unified_value(element, &change) : status;
}

static enum status complete(const struct element *element, void *change)
{
    struct moneybird_meaning meaning;
    enum status status = read_meaning(element, &meaning);
    if (status != STATUS_OK)
        return status;
    if (meaning.resource == NULL) {
        elements_refuse(element->event, DEAD_LETTER_NO_RESOURCE,
                        "it has no text \"action\" or \"entity_type\"");
        return STATUS_OK;
    }
    element->event->resource = meaning.resource;
    element->event->event_type = meaning.event_type;
    return complete_understood(element, *(const struct unified_change *)change);
}

static enum status mask(struct event *ev, const struct route *r, struct arena *a)
{
    struct bytes token = r->token == NULL ? bytes_of(NULL, 0) : secret_bytes(r->token);
    ev->value = token_mask(ev->value, token, a);
    return ev->value.data == NULL ? STATUS_NOMEM : STATUS_OK;
}

static enum status moneybird_unify(const struct route *r, const struct callback *cb,
                                   const struct provider_options *opt, struct arena *a,
                                   struct event_list *ret)
{
    struct event_list events;
    struct unified_change change = {"", opt->pass_entity ? dropped_full : dropped_thin,
                                    unified_tail(r, a)};
    if (change.tail == NULL)
        return STATUS_NOMEM;
    enum status status = elements_split(cb->body, a, complete, &change, &events);
    for (size_t i = 0; status == STATUS_OK && i < events.len; i++)
        if (events.items[i].reason != DEAD_LETTER_NONE)
            status = mask(&events.items[i], r, a);
    if (status == STATUS_OK)
        *ret = events;
    return status;
}

const struct provider moneybird = {
    .name = "moneybird",
    .type_prefix = "com.moneybird",
    .signature_header = "Moneybird-Signature",
    .delivery_id_header = "Idempotency-Key",
    .probes_registration = true,
    .knows_system = moneybird_knows_system,
    .verify = moneybird_verify,
    .unify = moneybird_unify,
    .api = &moneybird_api,
};
