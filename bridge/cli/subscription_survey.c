#include "bridge/cli/subscription_survey.h"

#include <stdlib.h>

#include "bridge/base/distance.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/cli/text_table.h"
#include "bridge/registry/activity_record.h"
#include "bridge/registry/sealed.h"

/* Only reasons live in it. */
static const size_t arena_max = (size_t)256 << 20;

void subscription_survey_init(struct subscription_survey *s, const char *account, bool with_retired)
{
    *s = (struct subscription_survey){
        .account = account, .with_retired = with_retired, .arena = arena_new(arena_max)};
    if (s->arena == NULL)
        s->status = STATUS_NOMEM;
}

void subscription_survey_done(struct subscription_survey *s)
{
    for (size_t i = 0; i < s->routes_len; i++)
        route_record_free(s->routes[i].record);
    for (size_t i = 0; i < s->accounts_len; i++)
        account_record_free(s->accounts[i].record);
    free(s->routes);
    free(s->accounts);
    arena_free(s->arena);
}

/* --- the registry --------------------------------------------------------------------------- */

struct gathering {
    struct subscription_survey *survey;
    const char *topic;
    const struct keyring *keyring;
};

/* Room for one more, all zero; NULL when memory is short. */
static void *grow(struct subscription_survey *s, void **items, size_t *len, size_t *capacity,
                  size_t size)
{
    if (*len == *capacity) {
        size_t grown = *capacity == 0 ? 64 : *capacity * 2;
        void *moved = reallocarray(*items, grown, size);
        if (moved == NULL) {
            s->status = STATUS_NOMEM;
            return NULL;
        }
        *items = moved;
        *capacity = grown;
    }
    void *item = (char *)*items + (*len)++ * size;
    memset(item, 0, size);
    return item;
}

/* A record that cannot be read is told of; memory that is short ends it all. */
static const char *note(struct subscription_survey *s, enum status status, const struct diag *diag)
{
    if (status == STATUS_OK)
        return NULL;
    const char *why = arena_dup(s->arena, bytes_of_text(diag->text));
    if (status == STATUS_NOMEM || why == NULL)
        s->status = STATUS_NOMEM;
    s->unreadable++;
    return why == NULL ? "" : why;
}

static void add_route(struct subscription_survey *s, const struct callback_url *url,
                      enum status status, struct bytes json, struct diag *diag)
{
    void *items = s->routes;
    struct surveyed_route *route =
        grow(s, &items, &s->routes_len, &s->routes_capacity, sizeof(*route));
    s->routes = items;
    if (route == NULL)
        return;
    route->url = *url;
    if (status == STATUS_OK)
        status = route_record_read(json, &route->record, diag);
    route->unreadable = note(s, status, diag);
    if (route->record == NULL || route->record->state != ROUTE_RETIRED || s->with_retired)
        return;
    route_record_free(route->record);
    s->routes_len--;
}

static void add_account(struct subscription_survey *s, const char *account, enum status status,
                        struct bytes json, struct diag *diag)
{
    void *items = s->accounts;
    struct surveyed_account *a =
        grow(s, &items, &s->accounts_len, &s->accounts_capacity, sizeof(*a));
    s->accounts = items;
    if (a == NULL)
        return;
    memcpy(a->account, account, strlen(account) + 1);
    if (status == STATUS_OK)
        status = account_record_read(json, &a->record, diag);
    a->unreadable = note(s, status, diag);
}

static void add_row(void *ctx, const struct topic_row *row)
{
    const struct gathering *g = ctx;
    struct subscription_survey *s = g->survey;
    struct registry_key key = registry_key_read(row->key);
    bool is_route = key.kind == REGISTRY_KEY_ROUTE;
    if (s->status != STATUS_OK || (!is_route && key.kind != REGISTRY_KEY_ACCOUNT) ||
        (s->account != NULL && strcmp(s->account, key.account) != 0))
        return;
    CLEANUP(buf_wipe_done) struct buf json;
    struct diag diag = {0};
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = sealed_open(g->keyring, g->topic, row->key, row->value, &json, &diag);
    if (is_route)
        add_route(s, &key.url, status, buf_bytes(&json), &diag);
    else
        add_account(s, key.account, status, buf_bytes(&json), &diag);
}

enum status subscription_survey_add_registry(struct subscription_survey *s,
                                             const struct topic_rows *rows, const char *topic,
                                             const struct keyring *keyring)
{
    struct gathering g = {s, topic, keyring};
    if (s->status == STATUS_OK)
        topic_rows_each(rows, add_row, &g);
    return s->status;
}

/* --- the activity --------------------------------------------------------------------------- */

/* Whatever partition it is in: it is only a hint. */
static int64_t last_event(const struct topic_rows *rows, int32_t partitions,
                          const struct specification *specification)
{
    char key[SPECIFICATION_TEXT_SIZE];
    int64_t last = 0;
    specification_text(specification, key);
    for (int32_t p = 0; p < partitions; p++) {
        const struct topic_row *row = topic_rows_find(rows, p, bytes_of_text(key));
        struct activity_record r;
        if (row != NULL && activity_record_read(row->value, &r, NULL) == STATUS_OK &&
            r.last_at_unix_ms > last)
            last = r.last_at_unix_ms;
    }
    return last;
}

void subscription_survey_add_activity(struct subscription_survey *s, const struct topic_rows *rows,
                                      int32_t partitions)
{
    for (size_t i = 0; i < s->routes_len; i++)
        s->routes[i].last_event_unix_ms =
            last_event(rows, partitions, &s->routes[i].url.specification);
}

void subscription_survey_judge_silence(struct subscription_survey *s, int64_t silent_after_ms,
                                       int64_t now_unix_ms)
{
    for (size_t i = 0; i < s->routes_len; i++) {
        struct surveyed_route *route = &s->routes[i];
        route->is_silent = route->record != NULL &&
                           route_record_is_silent(route->record, route->last_event_unix_ms,
                                                  silent_after_ms, now_unix_ms);
    }
}

/* --- for programs --------------------------------------------------------------------------- */

static void json_record(struct buf *ret, const struct route_record *r)
{
    static const char *const origins[] = {
        [ROUTE_ORIGIN_CREATED] = "created", [ROUTE_ORIGIN_ADOPTED] = "adopted"};
    json_text_member(ret, "state", route_record_state_name(r->state));
    json_text_member(ret, "origin", origins[r->origin]);
    json_text_member(ret, "system", r->system);
    json_text_member(ret, "company_id", r->company_id);
    json_text_member(ret, "environment_name", r->environment_name);
    json_text_member(ret, "provider_id", r->provider_id);
    buf_printf(ret, ",\"has_secret\":%s", r->secret == NULL ? "false" : "true");
    json_text_instant(ret, "created_at", r->created_at_unix_ms);
    json_text_instant(ret, "subscribed_since", r->subscribed_since_unix_ms);
    json_text_instant(ret, "expires_at", r->expires_at_unix_ms);
    json_text_instant(ret, "delete_after", r->delete_after_unix_ms);
    json_text_instant(ret, "gone_after", r->gone_after_unix_ms);
    json_text_instant(ret, "undesired_since", r->undesired_since_unix_ms);
    json_text_instant(ret, "missing_since", r->missing_since_unix_ms);
}

static void json_route(struct buf *ret, const struct surveyed_route *route)
{
    const struct specification *spec = &route->url.specification;
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(&route->url, key);
    buf_append_text(ret, "{\"key\":");
    json_text_string(ret, bytes_of_text(key));
    json_text_member(ret, "provider", spec->provider);
    json_text_member(ret, "account", spec->account);
    json_text_member(ret, "resource", spec->resource);
    json_text_member(ret, "event", spec->event);
    json_text_instant(ret, "generation_at", route->url.generation_unix_ms);
    if (route->record != NULL)
        json_record(ret, route->record);
    else
        json_text_member(ret, "state", "unreadable");
    json_text_member(ret, "reason", route->unreadable);
    json_text_instant(ret, "last_event_at", route->last_event_unix_ms);
    buf_printf(ret, ",\"is_silent\":%s", route->is_silent ? "true" : "false");
    buf_append_text(ret, "}");
}

static void json_account(struct buf *ret, const struct surveyed_account *a)
{
    const struct account_record *r = a->record;
    buf_append_text(ret, "{\"account\":");
    json_text_string(ret, bytes_of_text(a->account));
    json_text_member(ret, "status",
                     r == NULL ? "unreadable" : account_record_status_name(r->status));
    json_text_member(ret, "reason", r == NULL ? a->unreadable : r->reason);
    if (r != NULL) {
        json_text_instant(ret, "status_since", r->status_since_unix_ms);
        json_text_member(ret, "provider", r->provider);
        json_text_member(ret, "system", r->system);
        json_text_member(ret, "company_id", r->company_id);
        json_text_member(ret, "environment_name", r->environment_name);
        json_text_instant(ret, "key_since", r->key_since_unix_ms);
    }
    buf_append_text(ret, "}");
}

void subscription_survey_print_json(const struct subscription_survey *s, struct buf *ret)
{
    buf_append_text(ret, "{\"accounts\":[");
    for (size_t i = 0; i < s->accounts_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_account(ret, &s->accounts[i]);
    }
    buf_append_text(ret, "],\"subscriptions\":[");
    for (size_t i = 0; i < s->routes_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_route(ret, &s->routes[i]);
    }
    buf_append_text(ret, "]}\n");
}

/* --- for people ----------------------------------------------------------------------------- */

static enum text_colour colour_of(const struct surveyed_route *route)
{
    if (route->record == NULL)
        return TEXT_RED;
    switch (route->record->state) {
    case ROUTE_PENDING:
        return TEXT_YELLOW;
    case ROUTE_ACTIVE:
        return TEXT_GREEN;
    case ROUTE_RETIRING:
    case ROUTE_RETIRED:
        return TEXT_FAINT;
    }
    return TEXT_PLAIN;
}

static const char *state_of(const struct surveyed_route *route)
{
    return route->record == NULL ? "unreadable" : route_record_state_name(route->record->state);
}

static void add_expiry(struct text_table *t, const struct surveyed_route *route,
                       int64_t now_unix_ms)
{
    char day[TIMESTAMP_SIZE], distance[DISTANCE_TEXT_SIZE];
    int64_t expires = route->record == NULL ? 0 : route->record->expires_at_unix_ms;
    if (expires == 0) {
        text_table_add(t, TEXT_PLAIN, "%s", "");
        return;
    }
    timestamp_format(expires, day);
    distance_text(expires, now_unix_ms, distance);
    text_table_add(t, expires <= now_unix_ms ? TEXT_RED : TEXT_PLAIN, "%.10s (%s)", day, distance);
}

static void add_last_event(struct text_table *t, const struct surveyed_route *route,
                           int64_t now_unix_ms)
{
    char distance[DISTANCE_TEXT_SIZE] = "never";
    if (route->last_event_unix_ms != 0)
        distance_text(route->last_event_unix_ms, now_unix_ms, distance);
    text_table_add(t,
                   route->is_silent                 ? TEXT_YELLOW
                   : route->last_event_unix_ms == 0 ? TEXT_FAINT
                                                    : TEXT_PLAIN,
                   route->is_silent ? "%s, silent" : "%s", distance);
}

/* Accounts that something is the matter with. */
static void print_troubles(const struct subscription_survey *s, int64_t now_unix_ms,
                           bool with_colour, struct buf *ret)
{
    for (size_t i = 0; i < s->accounts_len; i++) {
        const struct surveyed_account *a = &s->accounts[i];
        const struct account_record *r = a->record;
        char since[DISTANCE_TEXT_SIZE] = "";
        if (r != NULL && r->status == ACCOUNT_OK)
            continue;
        if (r != NULL && r->status_since_unix_ms != 0)
            distance_text(r->status_since_unix_ms, now_unix_ms, since);
        const char *reason = r == NULL ? a->unreadable : r->reason;
        buf_printf(ret, "%s%s: %s%s%s%s%s%s\n", text_colour_begin(TEXT_RED, with_colour),
                   a->account, r == NULL ? "unreadable" : account_record_status_name(r->status),
                   since[0] == '\0' ? "" : ", ", since, reason == NULL ? "" : ": ",
                   reason == NULL ? "" : reason, text_colour_end(TEXT_RED, with_colour));
    }
}

void subscription_survey_print_table(const struct subscription_survey *s, int64_t now_unix_ms,
                                     bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"ACCOUNT", "SYSTEM",  "RESOURCE",  "EVENT",
                                           "STATE",   "EXPIRES", "LAST EVENT"};
    CLEANUP(text_table_done) struct text_table t;
    text_table_init(&t, headings, sizeof(headings) / sizeof(headings[0]));
    for (size_t i = 0; i < s->routes_len; i++) {
        const struct surveyed_route *route = &s->routes[i];
        text_table_add(&t, TEXT_PLAIN, "%s", route->url.specification.account);
        text_table_add(&t, TEXT_PLAIN, "%s", route->record == NULL ? "" : route->record->system);
        text_table_add(&t, TEXT_PLAIN, "%s", route->url.specification.resource);
        text_table_add(&t, TEXT_PLAIN, "%s", route->url.specification.event);
        text_table_add(&t, colour_of(route), "%s", state_of(route));
        add_expiry(&t, route, now_unix_ms);
        add_last_event(&t, route, now_unix_ms);
    }
    if (s->routes_len == 0)
        buf_append_text(ret, "no subscriptions\n");
    else
        text_table_print(&t, with_colour, ret);
    print_troubles(s, now_unix_ms, with_colour, ret);
}

static void print_text(struct buf *ret, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        buf_printf(ret, "  %-16s %s\n", name, text);
}

static void print_instant(struct buf *ret, const char *name, int64_t unix_ms, int64_t now_unix_ms)
{
    char text[TIMESTAMP_SIZE], distance[DISTANCE_TEXT_SIZE];
    if (unix_ms == 0)
        return;
    timestamp_format(unix_ms, text);
    distance_text(unix_ms, now_unix_ms, distance);
    buf_printf(ret, "  %-16s %s (%s)\n", name, text, distance);
}

static void print_account(const struct surveyed_account *a, int64_t now_unix_ms, bool with_colour,
                          struct buf *ret)
{
    const struct account_record *r = a->record;
    enum text_colour colour = r != NULL && r->status == ACCOUNT_OK ? TEXT_GREEN : TEXT_RED;
    buf_printf(ret, "%s: %s%s%s\n", a->account, text_colour_begin(colour, with_colour),
               r == NULL ? "unreadable" : account_record_status_name(r->status),
               text_colour_end(colour, with_colour));
    print_text(ret, "reason", r == NULL ? a->unreadable : r->reason);
    if (r == NULL)
        return;
    print_instant(ret, "since", r->status_since_unix_ms, now_unix_ms);
    print_text(ret, "provider", r->provider);
    print_text(ret, "system", r->system);
    print_text(ret, "company", r->company_id);
    print_text(ret, "environment", r->environment_name);
    print_instant(ret, "key since", r->key_since_unix_ms, now_unix_ms);
}

static void print_record(const struct route_record *r, int64_t now_unix_ms, struct buf *ret)
{
    print_text(ret, "id", r->provider_id);
    print_text(ret, "secret", r->secret == NULL ? "none yet" : "held");
    print_text(ret, "origin", r->origin == ROUTE_ORIGIN_ADOPTED ? "adopted" : NULL);
    print_text(ret, "company", r->company_id);
    print_text(ret, "environment", r->environment_name);
    print_instant(ret, "created", r->created_at_unix_ms, now_unix_ms);
    print_instant(ret, "subscribed since", r->subscribed_since_unix_ms, now_unix_ms);
    print_instant(ret, "expires", r->expires_at_unix_ms, now_unix_ms);
    print_instant(ret, "deleted after", r->delete_after_unix_ms, now_unix_ms);
    print_instant(ret, "forgotten after", r->gone_after_unix_ms, now_unix_ms);
    print_instant(ret, "undesired since", r->undesired_since_unix_ms, now_unix_ms);
    print_instant(ret, "missing since", r->missing_since_unix_ms, now_unix_ms);
}

static void print_route(const struct surveyed_route *route, int64_t now_unix_ms, bool with_colour,
                        struct buf *ret)
{
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(&route->url, key);
    buf_printf(ret, "\n%s %s: %s%s%s\n", route->url.specification.resource,
               route->url.specification.event, text_colour_begin(colour_of(route), with_colour),
               state_of(route), text_colour_end(colour_of(route), with_colour));
    print_text(ret, "reason", route->unreadable);
    print_text(ret, "path", key);
    if (route->record != NULL)
        print_record(route->record, now_unix_ms, ret);
    if (route->last_event_unix_ms == 0)
        print_text(ret, "last event", "never");
    print_instant(ret, "last event", route->last_event_unix_ms, now_unix_ms);
}

void subscription_survey_print_details(const struct subscription_survey *s, int64_t now_unix_ms,
                                       bool with_colour, struct buf *ret)
{
    for (size_t i = 0; i < s->accounts_len; i++)
        print_account(&s->accounts[i], now_unix_ms, with_colour, ret);
    for (size_t i = 0; i < s->routes_len; i++)
        print_route(&s->routes[i], now_unix_ms, with_colour, ret);
}
