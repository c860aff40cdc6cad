#include "bridge/providers/maesn/maesn_api.h"

#include <stdio.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/providers/api_answer.h"
#include "bridge/providers/api_request.h"
#include "bridge/providers/creation.h"
#include "bridge/providers/elements.h"
#include "bridge/providers/json_scan.h"
#include "bridge/providers/listing.h"
#include "bridge/providers/maesn/subscriptions.h"

/* --- requests -------------------------------------------------------------------------------- */

/* Everything but the body. id: NULL for the collection; page: 0 for none.
 * Source: docs.maesn.com, "Create webhook" and "Authentication", 2026, for paths, parameters and
 * headers; "Pagination", 2026-01-23, for page, which GET /webhooks itself does not document: it is
 * asked for only where an answer says that there is more.
 */
static enum status build(const struct provider_credentials *c, enum provider_method method,
                         const char *id, unsigned page, struct arena *a,
                         struct provider_request *ret, struct diag *diag)
{
    CLEANUP(api_url_done) struct api_url url;
    char page_text[16];
    snprintf(page_text, sizeof(page_text), "%u", page);
    *ret = (struct provider_request){.method = method};
    api_url_begin(&url, c->base_url, diag);
    api_url_segment(&url, "a path", "webhooks");
    if (id != NULL)
        api_url_segment(&url, "the subscription's id", id);
    api_url_query(&url, "companyId", c->company_id);
    api_url_query(&url, "environmentName", c->environment_name);
    api_url_query(&url, "page", page > 1 ? page_text : NULL);
    enum status status = api_url_end(&url, a, &ret->url);
    if (status == STATUS_OK)
        status = api_request_header(ret, "X-API-KEY", "", c->api_key, diag);
    if (status == STATUS_OK)
        status = api_request_header(ret, "X-ACCOUNT-KEY", "", c->account_key, diag);
    return status == STATUS_OK ? api_request_header(ret, "Accept", "application/json", NULL, diag)
                               : status;
}

static enum status list(const struct provider_credentials *c, unsigned page, struct arena *a,
                        struct provider_request *ret, struct diag *diag)
{
    return build(c, PROVIDER_GET, NULL, page, a, ret, diag);
}

static void append_member(struct buf *body, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(body, "%s\"%s\":", body->len == 0 ? "{" : ",", name);
    json_text_string(body, bytes_of_text(value));
}

/* Source: docs.maesn.com, "Create webhook", 2026. Its schema and its sample have the values of
 * eventType and resource swapped; its text, and "Webhooks" of 2026-02-13, have them this way. */
static enum status create(const struct provider_credentials *c, const struct wanted *wanted,
                          const char *callback_url, struct arena *a, struct provider_request *ret,
                          struct diag *diag)
{
    char event[SPECIFICATION_PART_MAX + 1], resource[SPECIFICATION_PART_MAX + 1];
    const struct specification *s = &wanted->specification;
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, API_REQUEST_BODY_MAX);
    append_member(&body, "callbackUrl", callback_url);
    append_member(&body, "eventType", specification_wire_name(s->event, event));
    append_member(&body, "resource", specification_wire_name(s->resource, resource));
    buf_append_text(&body, "}");
    enum status status = build(c, PROVIDER_POST, NULL, 0, a, ret, diag);
    return status == STATUS_OK ? api_request_body(ret, &body, a, diag) : status;
}

static enum status delete (const struct provider_credentials *c, const char *id, struct arena *a,
                           struct provider_request *ret, struct diag *diag) {
    return build(c, PROVIDER_DELETE, id, 0, a, ret, diag);
}

/* --- answers --------------------------------------------------------------------------------- */

/* id and callback_url are NULL where they are none. Source: docs.maesn.com, "Create webhook", and
 * the OpenAPI in github.com/maesndev/sdk-typescript at b364da3, WebhookResponseDto. */
static enum status read_entry(struct bytes object, struct arena *a, struct listing_entry *ret)
{
    *ret = (struct listing_entry){
        .created_at_unix_ms = api_answer_time(api_answer_member(object, "createdDate")),
        .expires_at_unix_ms = api_answer_time(api_answer_member(object, "expiresDate")),
        .deactivated_at_unix_ms = PROVIDER_TIME_UNKNOWN,
    };
    enum status status = elements_id(api_answer_member(object, "id"), a, &ret->id);
    return status == STATUS_OK
               ? elements_text(api_answer_member(object, "callbackUrl"), a, &ret->callback_url)
               : status;
}

struct pagination {
    unsigned total_pages;
    unsigned total;
};

/* Whether it says nothing odd. `page` is the one that was asked for. */
static bool read_pagination(struct bytes envelope, unsigned page, struct pagination *ret)
{
    struct bytes meta = api_answer_member(envelope, "meta");
    struct bytes pagination = api_answer_member(meta, "pagination");
    struct bytes total = api_answer_member(pagination, "total");
    unsigned current = page;
    *ret = (struct pagination){.total_pages = 1};
    if (meta.data != NULL && !api_answer_is_object(meta))
        return false;
    if (pagination.data == NULL)
        return page == 1;
    if (!api_answer_count(api_answer_member(pagination, "totalPages"), &ret->total_pages))
        return false;
    if (total.data != NULL && !api_answer_count(total, &ret->total))
        return false;
    if (ret->total_pages <= 1)
        return page == 1;
    return api_answer_count(api_answer_member(pagination, "currentPage"), &current) &&
           current == page && ret->total_pages <= LISTING_PAGES_MAX;
}

static enum status read_entries(struct bytes data, struct arena *a, struct listing *l)
{
    struct listing_entry entry;
    struct bytes element;
    for (size_t at = 0; json_scan_next_element(data, &at, &element);) {
        enum status status = read_entry(element, a, &entry);
        if (status != STATUS_OK)
            return status;
        if (entry.id == NULL || entry.callback_url == NULL) {
            listing_refuse(l, VERDICT_UNTRUSTED, "the list has an entry without %s",
                           entry.id == NULL ? "id" : "callbackUrl");
            return STATUS_OK;
        }
        status = listing_add(l, &entry, a);
        if (status != STATUS_OK || l->outcome.verdict == VERDICT_UNTRUSTED)
            return status;
    }
    return STATUS_OK;
}

/* The body of a 200. */
static enum status read_page(const struct provider_credentials *c, struct bytes envelope,
                             unsigned page, struct arena *a, struct listing *l)
{
    struct bytes data = api_answer_member(envelope, "data");
    struct bytes errors = api_answer_member(envelope, "errors");
    struct pagination pagination;
    if (!api_answer_is_empty(errors)) {
        listing_refuse(l, VERDICT_UNTRUSTED, "the list came with errors");
        api_answer_quote(c, errors, &l->outcome.reason);
        return STATUS_OK;
    }
    if (!api_answer_is_array(data)) {
        listing_refuse(l, VERDICT_UNTRUSTED, "the list's data is no array");
        return STATUS_OK;
    }
    if (!read_pagination(envelope, page, &pagination)) {
        listing_refuse(l, VERDICT_UNTRUSTED, "the list's pagination is odd on page %u", page);
        return STATUS_OK;
    }
    if (page > 1 && pagination.total_pages != l->pages) {
        listing_refuse(l, VERDICT_UNTRUSTED, "the list had %u pages, and then %u", l->pages,
                       pagination.total_pages);
        return STATUS_OK;
    }
    enum status status = read_entries(data, a, l);
    if (status != STATUS_OK || l->outcome.verdict == VERDICT_UNTRUSTED)
        return status;
    l->pages = pagination.total_pages == 0 ? 1 : pagination.total_pages;
    l->next_page = page < l->pages ? page + 1 : 0;
    if (l->next_page == 0)
        listing_complete(l, pagination.total);
    return STATUS_OK;
}

static enum status read_list(const struct provider_credentials *c,
                             const struct provider_answer *answer, struct arena *a,
                             struct listing *l)
{
    unsigned page = l->pages == 0 ? 1 : l->next_page;
    struct bytes envelope;
    l->next_page = 0;
    enum status status = api_answer_open(c, PROVIDER_GET, answer, a, &l->outcome, &envelope);
    if (status != STATUS_OK || envelope.data == NULL)
        return status;
    return read_page(c, envelope, page, a, l);
}

static enum status read_create(const struct provider_credentials *c,
                               const struct provider_answer *answer, const char *callback_url,
                               struct arena *a, struct created *ret)
{
    struct bytes envelope;
    struct listing_entry entry;
    *ret = (struct created){.secret = NULL};
    enum status status = api_answer_open(c, PROVIDER_POST, answer, a, &ret->outcome, &envelope);
    if (status != STATUS_OK || envelope.data == NULL)
        return status;
    struct bytes data = api_answer_member(envelope, "data");
    status = read_entry(data, a, &entry);
    return status == STATUS_OK ? creation_read(data, &entry, "callbackUrl", callback_url, a, ret)
                               : status;
}

const struct provider_api maesn_api = {
    .expand = subscriptions_expand,
    .list = list,
    .create = create,
    .delete = delete,
    .activate = NULL,
    .read_list = read_list,
    .read_create = read_create,
    .read_change = api_answer_change,
};
