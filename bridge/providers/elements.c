#include "bridge/providers/elements.h"

#include "bridge/base/scoped.h"

/* A split under way. */
struct split {
    struct json_scan scan;
    elements_complete_fn *complete;
    void *ctx;
    struct buf events; /* struct event each */
    bool is_json;
    bool is_array;
};

static void split_done(struct split *s)
{
    json_scan_done(&s->scan);
    buf_done(&s->events);
}

void elements_refuse(struct event *ev, enum dead_letter_reason reason, const char *detail)
{
    ev->reason = reason;
    ev->detail = detail;
}

static void judge(struct event *ev, enum json_verdict verdict)
{
    switch (verdict) {
    case JSON_MALFORMED:
        elements_refuse(ev, DEAD_LETTER_NOT_JSON, "it is not JSON");
        return;
    case JSON_TOO_DEEP:
        elements_refuse(ev, DEAD_LETTER_TOO_DEEP, "it is nested deeper than 2048 levels");
        return;
    case JSON_DUPLICATE_KEYS:
    case JSON_WELL_FORMED:
        break;
    }
    if (ev->value.data[0] != '{')
        elements_refuse(ev, DEAD_LETTER_NOT_AN_OBJECT, "it is JSON, but not an object");
    else if (verdict == JSON_DUPLICATE_KEYS)
        elements_refuse(ev, DEAD_LETTER_DUPLICATE_KEYS, "an object in it has the same key twice");
}

static enum status hand_over(struct split *s, struct event *ev)
{
    struct element element = {.event = ev, .arena = s->scan.arena};
    element.members = json_scan_named(&s->scan, &element.members_len);
    return s->complete(&element, s->ctx);
}

/* The next element; false when the body is no JSON. */
static enum status take_element(struct split *s, bool *ret_is_json)
{
    struct event ev = {
        .index = s->events.len / sizeof(ev),
        .is_element = s->is_array,
        .occurred_at_unix_ms = EVENT_TIME_UNKNOWN,
    };
    enum json_verdict verdict;
    enum status status = json_scan_value(&s->scan, &verdict, &ev.value);
    if (status != STATUS_OK)
        return status;
    *ret_is_json = verdict != JSON_MALFORMED;
    if (ev.index >= EVENTS_MAX)
        return STATUS_OK; /* only whether the rest is JSON still matters */
    judge(&ev, verdict);
    if (ev.reason == DEAD_LETTER_NONE)
        status = hand_over(s, &ev);
    buf_append(&s->events, &ev, sizeof(ev));
    return s->events.status == STATUS_OK ? status : STATUS_NOMEM;
}

/* The elements of an array, from its "[" to behind its "]". */
static enum status take_array(struct split *s, size_t *ret_len, bool *ret_is_json)
{
    *ret_len = 0;
    s->is_array = true;
    s->scan.at++;
    *ret_is_json = true;
    bool is_open = json_scan_peek(&s->scan) != ']';
    while (is_open) {
        enum status status = take_element(s, ret_is_json);
        if (status != STATUS_OK || !*ret_is_json)
            return status;
        ++*ret_len;
        is_open = json_scan_peek(&s->scan) == ',';
        s->scan.at += is_open;
    }
    *ret_is_json = json_scan_peek(&s->scan) == ']';
    s->scan.at += *ret_is_json;
    return STATUS_OK;
}

static enum status whole_body(struct bytes body, enum dead_letter_reason reason, const char *detail,
                              struct arena *a, struct event_list *ret)
{
    struct event *ev = arena_alloc(a, sizeof(*ev));
    if (ev == NULL || detail == NULL)
        return STATUS_NOMEM;
    *ev = (struct event){.value = body, .occurred_at_unix_ms = EVENT_TIME_UNKNOWN};
    elements_refuse(ev, reason, detail);
    *ret = (struct event_list){.items = ev, .len = 1};
    return STATUS_OK;
}

enum status elements_split(struct bytes body, struct arena *a, elements_complete_fn *complete,
                           void *ctx, struct event_list *ret)
{
    if (body.len == 0)
        return whole_body(body, DEAD_LETTER_EMPTY, "the body is empty", a, ret);

    CLEANUP(split_done) struct split s = {.complete = complete, .ctx = ctx};
    json_scan_init(&s.scan, body, a);
    buf_init(&s.events, EVENTS_MAX * sizeof(struct event));
    size_t len = 1;
    enum status status = json_scan_peek(&s.scan) == '[' ? take_array(&s, &len, &s.is_json)
                                                        : take_element(&s, &s.is_json);
    if (status != STATUS_OK)
        return status;
    if (!s.is_json || json_scan_peek(&s.scan) != -1)
        return whole_body(body, DEAD_LETTER_NOT_JSON,
                          arena_printf(a, "the body is not JSON at byte %zu", s.scan.at), a, ret);
    if (len > EVENTS_MAX)
        return whole_body(
            body, DEAD_LETTER_NOT_AN_OBJECT,
            arena_printf(a, "the body is an array of %zu elements, more than %d", len, EVENTS_MAX),
            a, ret);

    struct event *items = arena_alloc(a, s.events.len);
    if (items == NULL)
        return STATUS_NOMEM;
    if (s.events.len > 0)
        memcpy(items, s.events.data, s.events.len);
    *ret = (struct event_list){.items = items, .len = s.events.len / sizeof(*items)};
    return STATUS_OK;
}

struct bytes elements_value(const struct element *element, const char *name)
{
    const struct bytes wanted = bytes_of_text(name);
    for (size_t i = 0; i < element->members_len; i++)
        if (bytes_equal(element->members[i].name, wanted))
            return element->members[i].value;
    return bytes_of(NULL, 0);
}

enum status elements_text(struct bytes value, struct arena *a, const char **ret)
{
    *ret = NULL;
    if (value.data == NULL || !json_scan_is_string(value))
        return STATUS_OK;
    const char *text = json_scan_text(value, a);
    if (text == NULL)
        return STATUS_NOMEM;
    *ret = *text == '\0' ? NULL : text;
    return STATUS_OK;
}

enum status elements_id(struct bytes value, struct arena *a, const char **ret)
{
    if (value.data == NULL || !json_scan_is_number(value))
        return elements_text(value, a, ret);
    *ret = arena_dup(a, value);
    return *ret == NULL ? STATUS_NOMEM : STATUS_OK;
}
