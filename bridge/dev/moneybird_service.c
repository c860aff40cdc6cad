#include <jansson.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/dev/http_connection.h"
#include "bridge/dev/service.h"

static const char root[] = "/api/v2/";
static const char bearer[] = "Bearer ";

/* All that Moneybird has, and some. */
#define EVENTS_MAX 512
static const size_t event_name_max = 128;

static void json_done(json_t **json)
{
    json_decref(*json);
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Takes characters up to the end, or any of "/.", off the front; returns false when they do not
 * fit or there are none. */
static bool take_segment(const char **path, char *ret, size_t size)
{
    size_t len = strcspn(*path, "/.");
    if (len == 0 || len >= size)
        return false;
    memcpy(ret, *path, len);
    ret[len] = '\0';
    *path += len;
    return true;
}

static bool take_text(const char **path, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*path, text, len) != 0)
        return false;
    *path += len;
    return true;
}

static bool is_end(const char *path)
{
    return *path == '\0' || strcmp(path, ".json") == 0;
}

static struct service_target find_target(const struct service_call *call)
{
    struct service_target target = {.operation = FAULT_ANY};
    const char *rest = call->path;
    if (!take_text(&rest, root) ||
        !take_segment(&rest, target.administration, sizeof(target.administration)) ||
        !take_text(&rest, "/webhooks"))
        return target;
    if (is_end(rest)) {
        if (strcmp(call->method, "GET") == 0)
            target.operation = FAULT_LIST;
        if (strcmp(call->method, "POST") == 0)
            target.operation = FAULT_CREATE;
        return target;
    }
    if (!take_text(&rest, "/") || !take_segment(&rest, target.id, sizeof(target.id)))
        return target;
    if (is_end(rest) && strcmp(call->method, "DELETE") == 0)
        target.operation = FAULT_DELETE;
    if (strcmp(call->method, "PATCH") != 0)
        return target;
    target.activates = take_text(&rest, "/activate");
    if ((target.activates || take_text(&rest, "/deactivate")) && is_end(rest))
        target.operation = FAULT_ACTIVATE;
    return target;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_error(struct service_answer *a, unsigned code, const char *text,
                         const char *field, const char *symbol)
{
    service_answer_clear(a, code);
    buf_append_text(&a->body, "{\"error\":");
    json_text_string(&a->body, bytes_of_text(text));
    if (field != NULL)
        buf_printf(&a->body, ",\"symbolic\":{\"%s\":\"%s\"}", field, symbol);
    buf_append_text(&a->body, "}");
}

/* Retry-After is an instant here, not a duration. Source: the answer 429 of the specification. */
static void refuse(struct provider_world *w, unsigned code, unsigned retry_after_s,
                   struct service_answer *a)
{
    if (code == 404)
        answer_error(a, code, "record not found", "id", "not_found");
    else
        answer_error(a, code, code == 401 ? "Unauthorized" : "Something went wrong", NULL, NULL);
    if (code != 429)
        return;
    service_answer_clear(a, code);
    buf_append_text(&a->body, "\"Retry later\"");
    if (retry_after_s > 0)
        a->retry_after = world_now_unix_ms(w) / 1000 + retry_after_s;
}

/* The answer in the making; the faults that change it. */
struct writing {
    struct buf *body;
    enum fault_kind fault;
    const char *administration;
    bool is_creation;
    size_t len;   /* entries written */
    size_t limit; /* entries to write */
};

static void append_events(struct buf *b, const struct world_subscription *s)
{
    buf_append_text(b, ",\"enabled_events\":[");
    for (size_t i = 0; i < s->enabled_events_len; i++)
        buf_printf(b, "%s\"%s\"", i == 0 ? "" : ",", s->enabled_events[i]);
    buf_append_text(b, "]");
}

static void append_history(struct buf *b, const struct world_subscription *s)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(s->deactivated_unix_ms, text);
    if (s->last_http_status == 0)
        buf_append_text(b, ",\"last_http_status\":null,\"last_http_body\":null");
    else
        buf_printf(b, ",\"last_http_status\":%d,\"last_http_body\":\"\"", s->last_http_status);
    if (s->deactivated_unix_ms == 0)
        buf_append_text(b, ",\"deactivated_at\":null");
    else
        buf_printf(b, ",\"deactivated_at\":\"%s\"", text);
}

static void write_webhook(void *owner, const struct world_subscription *s)
{
    struct writing *writing = owner;
    struct buf *b = writing->body;
    bool lies = writing->is_creation && writing->fault == FAULT_OTHER_URL;
    if (writing->len == writing->limit)
        return;
    buf_printf(b,
               "%s{\"id\":\"%s\",\"administration_id\":%s,\"url\":", writing->len++ == 0 ? "" : ",",
               s->id, writing->administration);
    json_text_string(b, bytes_of_text(lies ? "http://127.0.0.1:9/elsewhere" : s->callback_url));
    append_events(b, s);
    append_history(b, s);
    buf_printf(b, ",\"token\":\"%s\"", s->token);
    if (writing->is_creation && writing->fault != FAULT_NO_SECRET)
        buf_printf(b, ",\"secret\":\"%s\"", s->secret);
    buf_append_text(b, "}");
}

static void count(void *owner, const struct world_subscription *s)
{
    (void)s;
    ++*(size_t *)owner;
}

/* --- list ------------------------------------------------------------------------------------- */

/* It has no pages to be missing: half a list says nothing of the other half. */
static void list(struct provider_world *w, const struct world_scope *scope,
                 const struct service_target *target, enum fault_kind fault,
                 struct service_answer *a)
{
    size_t len = 0;
    world_list(w, scope, count, &len);
    struct writing writing = {.body = &a->body,
                              .fault = fault,
                              .administration = target->administration,
                              .limit = fault == FAULT_EMPTY_LIST                ? 0
                                       : fault == FAULT_PARTIAL_LIST            ? len / 2
                                       : fault == FAULT_MISSING_ITEM && len > 0 ? len - 1
                                                                                : len};
    service_answer_clear(a, 200);
    buf_append_text(&a->body, "[");
    world_list(w, scope, write_webhook, &writing);
    buf_append_text(&a->body, "]");
}

/* --- create ----------------------------------------------------------------------------------- */

/* A webhook to be made; the texts are borrowed from the body. */
struct wanted {
    const char *url;
    const char *events[EVENTS_MAX];
    size_t events_len;
};

/* Small letters, digits and underscores: what the names are made of. */
static bool is_event_name(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= event_name_max &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool read_events(json_t *events, struct wanted *ret)
{
    if (events == NULL)
        return true;
    if (!json_is_array(events) || json_array_size(events) > EVENTS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const char *name = json_string_value(json_array_get(events, i));
        if (!is_event_name(name))
            return false;
        ret->events[ret->events_len++] = name;
    }
    return true;
}

/* Returns false when it has answered that the body is wrong. */
static bool read_wanted(json_t *body, struct wanted *ret, struct service_answer *a)
{
    ret->events_len = 0;
    ret->url = json_string_value(json_object_get(body, "url"));
    if (json_object_get(body, "events") != NULL)
        answer_error(a, 400, "'events' has been removed from webhooks, use 'enabled_events'",
                     "events", "removed");
    else if (ret->url == NULL)
        answer_error(a, 400, "Url is required", "url", "required");
    else if (!read_events(json_object_get(body, "enabled_events"), ret))
        answer_error(a, 400, "Enabled events is invalid", "enabled_events", "invalid");
    else if (json_object_size(body) > (json_object_get(body, "enabled_events") == NULL ? 1 : 2))
        answer_error(a, 400, "unknown parameter", NULL, NULL);
    else
        return true;
    return false;
}

/* An unsigned request that wants a 200, before the creation is answered. Its form is not
 * documented. Source: developer.moneybird.com, "Getting started", 2026. */
static bool probe(const char *url, struct diag *diag)
{
    uint16_t port;
    char path[WORLD_PATH_SIZE];
    int code = 0;
    if (world_read_callback_url(url, &port, path, diag) != STATUS_OK)
        return false;
    struct http_connection c;
    http_connection_init(&c, port);
    const struct http_connection_request request = {
        .path = path, .headers = "", .body = BYTES_LITERAL("{}")};
    bool answered = http_connection_post(&c, &request, &code) == STATUS_OK && code == 200;
    http_connection_done(&c);
    if (!answered)
        diag_set(diag, STATUS_INVALID, "Url does not answer with 200");
    return answered;
}

static void create(struct provider_world *w, const struct world_scope *scope,
                   const struct service_call *call, const struct service_target *target,
                   enum fault_kind fault, struct service_answer *a)
{
    CLEANUP(json_done)
    json_t *body = json_loadb((const char *)call->body.data, call->body.len, 0, NULL);
    struct wanted wanted;
    struct diag diag = {{0}};
    if (!read_wanted(body, &wanted, a))
        return;
    if (!probe(wanted.url, &diag)) {
        answer_error(a, 400, diag.text, "url", "invalid");
        return;
    }
    const struct world_subscription s = {.account = scope->account,
                                         .callback_url = wanted.url,
                                         .enabled_events = wanted.events,
                                         .enabled_events_len = wanted.events_len};
    struct writing writing = {.body = &a->body,
                              .fault = fault,
                              .administration = target->administration,
                              .is_creation = true,
                              .limit = 1};
    service_answer_clear(a, 201);
    enum status status = world_create(w, &s, write_webhook, &writing, &diag);
    if (status != STATUS_OK)
        refuse(w, status == STATUS_BUSY ? 429 : 500, 0, a);
}

/* --- all -------------------------------------------------------------------------------------- */

static void activate(struct provider_world *w, const struct world_scope *scope,
                     const struct service_target *target, struct service_answer *a)
{
    struct writing writing = {
        .body = &a->body, .administration = target->administration, .limit = 1};
    service_answer_clear(a, 200);
    if (!world_set_active(w, scope, target->id, target->activates, write_webhook, &writing))
        refuse(w, 404, 0, a);
}

static void remove_webhook(struct provider_world *w, const struct world_scope *scope,
                           const struct service_target *target, struct service_answer *a)
{
    if (world_delete(w, scope, target->id))
        service_answer_clear(a, 204);
    else
        refuse(w, 404, 0, a);
}

static const struct world_account *find_account(struct provider_world *w, const char *authorization,
                                                size_t *ret_index)
{
    if (authorization == NULL || strncmp(authorization, bearer, strlen(bearer)) != 0)
        return NULL;
    return world_find_account(w, WORLD_MONEYBIRD, authorization + strlen(bearer), ret_index);
}

static void act(struct provider_world *w, const struct service_call *call,
                const struct service_target *target, struct fault fault, struct service_answer *a)
{
    struct world_scope scope = {.company_id = "", .environment_name = ""};
    const struct world_account *account = find_account(w, call->authorization, &scope.account);
    a->allowance = world_count_moneybird_call(w);
    if (!a->allowance.granted) {
        refuse(w, 429, 0, a);
        a->retry_after = a->allowance.reset_unix_s;
    } else if (account == NULL)
        refuse(w, 401, 0, a);
    else if (strcmp(account->administration, target->administration) != 0)
        refuse(w, 404, 0, a);
    else if (target->operation == FAULT_LIST)
        list(w, &scope, target, fault.kind, a);
    else if (target->operation == FAULT_CREATE)
        create(w, &scope, call, target, fault.kind, a);
    else if (target->operation == FAULT_DELETE)
        remove_webhook(w, &scope, target, a);
    else
        activate(w, &scope, target, a);
}

const struct service moneybird_service = {find_target, act, refuse};
