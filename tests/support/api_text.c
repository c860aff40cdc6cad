#include "tests/support/api_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/secret.h"
#include "bridge/base/timestamp.h"

void api_text_begin(struct api_text *t)
{
    *t = (struct api_text){.arena = arena_new(LISTING_ARENA_MAX)};
    assert_non_null(t->arena);
    assert_int_equal(secret_new(BYTES_LITERAL("api-key-of-the-tenant"), &t->api_key, NULL),
                     STATUS_OK);
    assert_int_equal(secret_new(BYTES_LITERAL("account-key-of-acme"), &t->account_key, NULL),
                     STATUS_OK);
    buf_init(&t->text, 1 << 20);
}

void api_text_done(struct api_text *t)
{
    arena_free(t->arena);
    secret_unref(t->api_key);
    secret_unref(t->account_key);
    buf_done(&t->text);
}

struct provider_credentials api_text_credentials(const struct api_text *t, const char *provider,
                                                 const char *base_url, const char *company_id,
                                                 const char *environment_name)
{
    return (struct provider_credentials){provider,       base_url,   t->api_key,
                                         t->account_key, company_id, environment_name};
}

void api_text_request(struct api_text *t, enum status status, const struct provider_request *r,
                      const struct diag *diag)
{
    if (status != STATUS_OK) {
        buf_printf(&t->text, "%s: %s\n", status_name(status), diag->text);
        return;
    }
    buf_printf(&t->text, "%s %s", provider_method_name(r->method), r->url);
    for (size_t i = 0; i < r->headers_len; i++) {
        const struct provider_header *h = &r->headers[i];
        buf_printf(&t->text, " | %s: %s", h->name, h->text);
        if (h->secret != NULL)
            buf_append_bytes(&t->text, secret_bytes(h->secret));
    }
    if (r->body.data != NULL)
        buf_append_text(&t->text, " | ");
    buf_append_bytes(&t->text, r->body);
    buf_append_text(&t->text, "\n");
}

static void append_events(struct api_text *t, const char **names, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_printf(&t->text, "%s%s", i == 0 ? ": " : " ", names[i]);
}

void api_text_expansion(struct api_text *t, const struct expansion *e)
{
    static const char *const fields[] = {
        "account",       "system",   "company_id", "environment_name",
        "subscriptions", "resource", "events",     "events_raw",
    };
    for (size_t i = 0; i < e->wanted_len; i++) {
        const struct wanted *w = &e->wanted[i];
        buf_printf(&t->text, "%s/%s", w->specification.resource, w->specification.event);
        append_events(t, w->enabled_events, w->enabled_events_len);
        buf_append_text(&t->text, "\n");
    }
    size_t errors = 0;
    for (size_t i = 0; i < e->problems_len; i++) {
        const struct expansion_problem *p = &e->problems[i];
        errors += !p->is_warning;
        buf_printf(&t->text, "%s %s[%zu.%zu]: %s\n", p->is_warning ? "warning" : "error",
                   fields[p->field], p->subscription, p->item, p->text);
    }
    assert_int_equal(errors, e->errors);
}

void api_text_outcome(struct api_text *t, const struct provider_outcome *o)
{
    buf_printf(&t->text, "%s%s%s\n", provider_verdict_name(o->verdict),
               o->reason.text[0] == '\0' ? "" : ": ", o->reason.text);
}

static void append_time(struct api_text *t, const char *name, int64_t unix_ms)
{
    char text[TIMESTAMP_SIZE];
    if (unix_ms == PROVIDER_TIME_UNKNOWN)
        return;
    timestamp_format(unix_ms, text);
    buf_printf(&t->text, " %s=%s", name, text);
}

static void append_entry(struct api_text *t, const struct listing_entry *e)
{
    buf_printf(&t->text, "%s %s", e->id, e->callback_url);
    append_time(t, "created", e->created_at_unix_ms);
    append_time(t, "expires", e->expires_at_unix_ms);
    if (e->last_http_status != 0)
        buf_printf(&t->text, " last=%d", e->last_http_status);
    if (e->is_deactivated)
        buf_append_text(&t->text, " deactivated");
    append_time(t, "at", e->deactivated_at_unix_ms);
    append_events(t, e->enabled_events, e->enabled_events_len);
}

void api_text_listing(struct api_text *t, const struct listing *l)
{
    assert_int_equal(l->trusted, l->outcome.verdict == VERDICT_OK);
    api_text_outcome(t, &l->outcome);
    if (l->next_page != 0)
        buf_printf(&t->text, "next page %u\n", l->next_page);
    for (size_t i = 0; l->trusted && i < l->len; i++) {
        append_entry(t, &l->entries[i]);
        buf_append_text(&t->text, "\n");
    }
}

void api_text_created(struct api_text *t, const struct created *c)
{
    api_text_outcome(t, &c->outcome);
    assert_true((c->secret != NULL) == (c->outcome.verdict == VERDICT_OK));
    if (c->entry.id == NULL)
        return;
    append_entry(t, &c->entry);
    if (c->secret != NULL) {
        buf_append_text(&t->text, " secret=");
        buf_append_bytes(&t->text, secret_bytes(c->secret));
    }
    if (c->token != NULL) {
        buf_append_text(&t->text, " token=");
        buf_append_bytes(&t->text, secret_bytes(c->token));
    }
    buf_append_text(&t->text, "\n");
}
