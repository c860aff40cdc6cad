#include <jansson.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/dev/service.h"

static const char collection[] = "/webhooks";

static void json_done(json_t **json)
{
    json_decref(*json);
}

static struct service_target find_target(const struct service_call *call)
{
    struct service_target target = {.operation = FAULT_ANY};
    const char *rest = call->path + strlen(collection);
    if (strncmp(call->path, collection, strlen(collection)) != 0)
        return target;
    if (*rest == '\0' && strcmp(call->method, "GET") == 0)
        target.operation = FAULT_LIST;
    if (*rest == '\0' && strcmp(call->method, "POST") == 0)
        target.operation = FAULT_CREATE;
    if (*rest == '/' && rest[1] != '\0' && strcmp(call->method, "DELETE") == 0) {
        /* An id that is too long is none of ours, also when it is cut. */
        size_t len = strnlen(rest + 1, sizeof(target.id) - 1);
        target.operation = FAULT_DELETE;
        memcpy(target.id, rest + 1, len);
    }
    return target;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Source: docs.maesn.com, "Error handling", 2026; the form of an error is not documented. */
static void answer_error(struct service_answer *a, unsigned code, const char *text)
{
    service_answer_clear(a, code);
    buf_append_text(&a->body, "{\"meta\":null,\"data\":null,\"errors\":[{\"message\":");
    json_text_string(&a->body, bytes_of_text(text));
    buf_append_text(&a->body, "}],\"rawData\":null}");
}

static void refuse(struct provider_world *w, unsigned code, unsigned retry_after_s,
                   struct service_answer *a)
{
    (void)w;
    answer_error(a, code,
                 code == 401   ? "the account key is not valid"
                 : code == 403 ? "the API key is not valid"
                 : code == 404 ? "not found"
                 : code == 429 ? "too many requests"
                               : "unexpected condition");
    a->retry_after = retry_after_s;
}

static void append_date(struct buf *b, const char *name, int64_t unix_ms)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(unix_ms, text);
    buf_printf(b, ",\"%s\":\"%s\"", name, text);
}

/* The answer in the making; the faults that change it. */
struct writing {
    struct buf *body;
    enum fault_kind fault;
    size_t len;   /* entries written */
    size_t limit; /* entries to write */
};

/* Never what it is for: neither resource nor event type. */
static void append_entry(struct buf *b, const struct world_subscription *s, const char *url)
{
    buf_printf(b, "{\"id\":\"%s\",\"callbackUrl\":", s->id);
    json_text_string(b, bytes_of_text(url));
    append_date(b, "createdDate", s->created_unix_ms);
    append_date(b, "updatedDate", s->created_unix_ms);
    append_date(b, "expiresDate", s->expires_unix_ms);
}

static void write_listed(void *owner, const struct world_subscription *s)
{
    struct writing *writing = owner;
    if (writing->len == writing->limit)
        return;
    buf_append_text(writing->body, writing->len++ == 0 ? "" : ",");
    append_entry(writing->body, s, s->callback_url);
    buf_append_text(writing->body, "}");
}

static void write_created(void *owner, const struct world_subscription *s)
{
    struct writing *writing = owner;
    bool lies = writing->fault == FAULT_OTHER_URL;
    append_entry(writing->body, s, lies ? "http://127.0.0.1:9/elsewhere" : s->callback_url);
    if (writing->fault != FAULT_NO_SECRET)
        buf_printf(writing->body, ",\"secret\":\"%s\"", s->secret);
    buf_append_text(writing->body, "}");
}

static void count(void *owner, const struct world_subscription *s)
{
    (void)s;
    ++*(size_t *)owner;
}

/* --- list ------------------------------------------------------------------------------------- */

static size_t limit_of(enum fault_kind fault, size_t len)
{
    if (fault == FAULT_EMPTY_LIST)
        return 0;
    if (fault == FAULT_PARTIAL_LIST)
        return len / 2;
    return fault == FAULT_MISSING_ITEM && len > 0 ? len - 1 : len;
}

/* Without paging: GET /webhooks documents none. */
static void list(struct provider_world *w, const struct world_scope *scope, enum fault_kind fault,
                 struct service_answer *a)
{
    size_t len = 0;
    world_list(w, scope, count, &len);
    struct writing writing = {.body = &a->body, .fault = fault, .limit = limit_of(fault, len)};
    service_answer_clear(a, 200);
    if (fault == FAULT_PARTIAL_LIST)
        buf_printf(&a->body,
                   "{\"meta\":{\"warnings\":null,\"pagination\":{\"total\":%zu,\"perPage\":%zu,"
                   "\"currentPage\":1,\"totalPages\":2}},\"data\":[",
                   len, writing.limit);
    else
        buf_append_text(&a->body, "{\"meta\":null,\"data\":[");
    world_list(w, scope, write_listed, &writing);
    buf_append_text(&a->body, fault == FAULT_LIST_ERRORS
                                  ? "],\"errors\":[{\"message\":\"the target system did not "
                                    "answer\"}],\"rawData\":null}"
                                  : "],\"errors\":null,\"rawData\":null}");
}

/* --- create ----------------------------------------------------------------------------------- */

/* NULL: it is not there, or no text. */
static const char *text_of(const json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}

static void make(struct provider_world *w, const struct world_subscription *wanted,
                 enum fault_kind fault, const char *warning, struct service_answer *a)
{
    struct writing writing = {.body = &a->body, .fault = fault};
    struct diag diag = {{0}};
    service_answer_clear(a, 201);
    if (warning == NULL)
        buf_append_text(&a->body, "{\"meta\":null,\"data\":");
    else
        buf_printf(&a->body,
                   "{\"meta\":{\"warnings\":[\"%s\"],\"pagination\":null},\"data\":", warning);
    enum status status = world_create(w, wanted, write_created, &writing, &diag);
    buf_append_text(&a->body, ",\"errors\":null,\"rawData\":null}");
    if (status == STATUS_INVALID)
        answer_error(a, 400, diag.text);
    else if (status != STATUS_OK)
        answer_error(a, status == STATUS_BUSY ? 429 : 500, "there is no room for it");
}

static void create(struct provider_world *w, const struct world_account *account,
                   const struct world_scope *scope, const struct service_call *call,
                   enum fault_kind fault, struct service_answer *a)
{
    CLEANUP(json_done)
    json_t *body = json_loadb((const char *)call->body.data, call->body.len, 0, NULL);
    const char *url = text_of(body, "callbackUrl"), *resource = text_of(body, "resource"),
               *event_type = text_of(body, "eventType");
    const struct tenant_system *system = account->system;
    struct tenant_scope narrowed;
    if (url == NULL) {
        answer_error(a, 400, "validationErrors: callbackUrl is required");
        return;
    }
    if (system->needs_company && scope->company_id[0] == '\0') {
        answer_error(a, 400, "validationErrors: companyId is required");
        return;
    }
    if (!tenant_system_narrow(system, resource, event_type, &narrowed)) {
        answer_error(a, 400, "validationErrors: no such resource and eventType of this system");
        return;
    }
    bool ignores = (resource != NULL && system->resource == TENANT_MEMBER_IGNORED) ||
                   (event_type != NULL && system->event_type == TENANT_MEMBER_IGNORED);
    const struct world_subscription wanted = {
        .account = scope->account,
        .callback_url = url,
        .company_id = scope->company_id,
        .environment_name = scope->environment_name,
        .resource = system->resource == TENANT_MEMBER_IGNORED ? NULL : resource,
        .event_type = system->event_type == TENANT_MEMBER_IGNORED ? NULL : event_type};
    make(w, &wanted, fault, ignores ? "Field not used by target system" : NULL, a);
}

/* --- all -------------------------------------------------------------------------------------- */

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void act(struct provider_world *w, const struct service_call *call,
                const struct service_target *target, struct fault fault, struct service_answer *a)
{
    struct world_scope scope = {.company_id = or_empty(call->company_id),
                                .environment_name = or_empty(call->environment_name)};
    const struct world_account *account =
        world_find_account(w, WORLD_MAESN, call->account_key, &scope.account);
    if (!world_knows_api_key(w, call->api_key))
        refuse(w, 403, 0, a);
    else if (account == NULL)
        refuse(w, 401, 0, a);
    else if (target->operation == FAULT_LIST)
        list(w, &scope, fault.kind, a);
    else if (target->operation == FAULT_CREATE)
        create(w, account, &scope, call, fault.kind, a);
    else if (!world_delete(w, &scope, target->id))
        refuse(w, 404, 0, a);
    else {
        service_answer_clear(a, 200);
        buf_append_text(&a->body, "{\"meta\":null,\"data\":{},\"errors\":null,\"rawData\":null}");
    }
}

const struct service maesn_service = {find_target, act, refuse};
