#include "bridge/providers/moneybird/moneybird_api.h"

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/providers/api_answer.h"
#include "bridge/providers/api_request.h"
#include "bridge/providers/creation.h"
#include "bridge/providers/elements.h"
#include "bridge/providers/json_scan.h"
#include "bridge/providers/listing.h"
#include "bridge/providers/moneybird/enabled_events.h"

/* --- requests -------------------------------------------------------------------------------- */

/* The URL {base}/{administration}/{path}, with /{id}{action} where there is an id, and the headers.
 * Source: github.com/moneybird/openapi at ff5b679 (2026-08-21), paths under /webhooks.
 */
static enum status build(const struct provider_credentials *c, enum provider_method method,
                         const char *id, const char *action, struct arena *a,
                         struct provider_request *ret, struct diag *diag)
{
    CLEANUP(api_url_done) struct api_url url;
    *ret = (struct provider_request){.method = method};
    api_url_begin(&url, c->base_url, diag);
    api_url_segment(&url, "the administration", c->company_id == NULL ? "" : c->company_id);
    if (id == NULL) {
        api_url_segment(&url, "a path", "webhooks.json");
    } else {
        api_url_segment(&url, "a path", "webhooks");
        api_url_segment(&url, "the subscription's id", id);
        buf_append_text(&url.text, action);
    }
    enum status status = api_url_end(&url, a, &ret->url);
    if (status == STATUS_OK)
        status = api_request_header(ret, "Authorization", "Bearer ", c->account_key, diag);
    return status == STATUS_OK ? api_request_header(ret, "Accept", "application/json", NULL, diag)
                               : status;
}

/* There is one page. */
static enum status list(const struct provider_credentials *c, unsigned page, struct arena *a,
                        struct provider_request *ret, struct diag *diag)
{
    (void)page;
    return build(c, PROVIDER_GET, NULL, NULL, a, ret, diag);
}

/* Without enabled_events it would be the notifications of before 2017-03-27, so an empty list is
 * never sent. Source: github.com/moneybird/openapi, changelog/2017-03-27. */
static enum status create(const struct provider_credentials *c, const struct wanted *wanted,
                          const char *callback_url, struct arena *a, struct provider_request *ret,
                          struct diag *diag)
{
    if (wanted->enabled_events_len == 0)
        return diag_set(diag, STATUS_INVALID, "a subscription to no event at all");
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, API_REQUEST_BODY_MAX);
    buf_append_text(&body, "{\"url\":");
    json_text_string(&body, bytes_of_text(callback_url));
    buf_append_text(&body, ",\"enabled_events\":[");
    for (size_t i = 0; i < wanted->enabled_events_len; i++) {
        buf_append_text(&body, i == 0 ? "" : ",");
        json_text_string(&body, bytes_of_text(wanted->enabled_events[i]));
    }
    buf_append_text(&body, "]}");
    enum status status = build(c, PROVIDER_POST, NULL, NULL, a, ret, diag);
    return status == STATUS_OK ? api_request_body(ret, &body, a, diag) : status;
}

static enum status delete (const struct provider_credentials *c, const char *id, struct arena *a,
                           struct provider_request *ret, struct diag *diag) {
    return build(c, PROVIDER_DELETE, id, ".json", a, ret, diag);
}

static enum status activate(const struct provider_credentials *c, const char *id, struct arena *a,
                            struct provider_request *ret, struct diag *diag)
{
    return build(c, PROVIDER_PATCH, id, "/activate.json", a, ret, diag);
}

/* --- answers --------------------------------------------------------------------------------- */

/* An entry being read; what is wrong with it, if anything. */
struct reading {
    struct listing_entry entry;
    const char *flaw; /* "id that is digits" */
};

/* Digits, as a number of any length or as text; NULL in *ret otherwise.
 * Source: github.com/moneybird/openapi at ff5b679: string or integer, ^\d+$. */
static enum status read_id(struct bytes value, struct arena *a, const char **ret)
{
    enum status status = elements_id(value, a, ret);
    if (status == STATUS_OK && *ret != NULL && (*ret)[strspn(*ret, "0123456789")] != '\0')
        *ret = NULL;
    return status;
}

static size_t array_len(struct bytes array)
{
    struct bytes element;
    size_t len = 0;
    for (size_t at = 0; json_scan_next_element(array, &at, &element);)
        len++;
    return len;
}

static enum status read_events(struct bytes value, struct arena *a, struct reading *ret)
{
    struct bytes element;
    struct listing_entry *entry = &ret->entry;
    if (value.data == NULL)
        return STATUS_OK; /* the notifications of before 2017 */
    if (!api_answer_is_array(value)) {
        ret->flaw = "enabled_events that are a list";
        return STATUS_OK;
    }
    entry->enabled_events = arena_alloc(a, array_len(value) * sizeof(*entry->enabled_events));
    if (entry->enabled_events == NULL)
        return STATUS_NOMEM;
    for (size_t at = 0; json_scan_next_element(value, &at, &element);) {
        const char *name;
        enum status status = elements_text(element, a, &name);
        if (status != STATUS_OK)
            return status;
        if (name == NULL)
            ret->flaw = "enabled_events that are names";
        else
            entry->enabled_events[entry->enabled_events_len++] = name;
    }
    entry->enabled_events_len =
        enabled_events_normalize(entry->enabled_events, entry->enabled_events_len);
    return STATUS_OK;
}

/* A number, or a text of digits; 0 for anything else. */
static int read_http_status(struct bytes value)
{
    unsigned http_status = 0;
    if (value.data != NULL && json_scan_is_string(value))
        value = bytes_of(value.data + 1, value.len - 2);
    if (!api_answer_count(value, &http_status) || http_status > 999)
        return 0;
    return (int)http_status;
}

/* Source: github.com/moneybird/openapi at ff5b679 (2026-08-21), webhook. */
static enum status read_entry(struct bytes object, struct arena *a, struct reading *ret)
{
    struct bytes deactivated_at = api_answer_member(object, "deactivated_at");
    *ret = (struct reading){.entry = {
                                .created_at_unix_ms = PROVIDER_TIME_UNKNOWN,
                                .expires_at_unix_ms = PROVIDER_TIME_UNKNOWN,
                                .deactivated_at_unix_ms = api_answer_time(deactivated_at),
                                .is_deactivated = deactivated_at.data != NULL,
                            }};
    struct listing_entry *entry = &ret->entry;
    entry->last_http_status = read_http_status(api_answer_member(object, "last_http_status"));
    enum status status = read_id(api_answer_member(object, "id"), a, &entry->id);
    if (status == STATUS_OK)
        status = elements_text(api_answer_member(object, "url"), a, &entry->callback_url);
    if (status == STATUS_OK)
        status = read_events(api_answer_member(object, "enabled_events"), a, ret);
    if (entry->id == NULL)
        ret->flaw = "id of digits";
    else if (entry->callback_url == NULL)
        ret->flaw = "url that is a text";
    return status;
}

static enum status read_entries(struct bytes array, struct arena *a, struct listing *l)
{
    struct reading reading;
    struct bytes element;
    for (size_t at = 0; json_scan_next_element(array, &at, &element);) {
        enum status status = read_entry(element, a, &reading);
        if (status != STATUS_OK)
            return status;
        if (reading.flaw != NULL)
            listing_refuse(l, VERDICT_UNTRUSTED, "the list has an entry without %s", reading.flaw);
        else
            status = listing_add(l, &reading.entry, a);
        if (status != STATUS_OK || l->outcome.verdict == VERDICT_UNTRUSTED)
            return status;
    }
    listing_complete(l, 0);
    return STATUS_OK;
}

static enum status read_list(const struct provider_credentials *c,
                             const struct provider_answer *answer, struct arena *a,
                             struct listing *l)
{
    struct bytes array;
    enum status status = api_answer_open(c, PROVIDER_GET, answer, a, &l->outcome, &array);
    if (status != STATUS_OK || array.data == NULL)
        return status;
    l->pages = 1;
    if (!api_answer_is_array(array)) {
        listing_refuse(l, VERDICT_UNTRUSTED, "the list is no array");
        return STATUS_OK;
    }
    return read_entries(array, a, l);
}

static enum status read_create(const struct provider_credentials *c,
                               const struct provider_answer *answer, const char *callback_url,
                               struct arena *a, struct created *ret)
{
    struct bytes object;
    struct reading reading;
    *ret = (struct created){.secret = NULL};
    enum status status = api_answer_open(c, PROVIDER_POST, answer, a, &ret->outcome, &object);
    if (status != STATUS_OK || object.data == NULL)
        return status;
    status = read_entry(object, a, &reading);
    if (status == STATUS_OK)
        status = creation_read(object, &reading.entry, "url", callback_url, a, ret);
    if (status == STATUS_OK && ret->outcome.verdict == VERDICT_OK)
        status = api_answer_secret(api_answer_member(object, "token"), a, &ret->token);
    return status;
}

const struct provider_api moneybird_api = {
    .expand = enabled_events_expand,
    .list = list,
    .create = create,
    .delete = delete,
    .activate = activate,
    .read_list = read_list,
    .read_create = read_create,
    .read_change = api_answer_change,
};
