#include "bridge/replay/judgement.h"

#include <assert.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/route.h"
#include "bridge/domain/specification.h"

DEFINE_CLEANUP(struct route *, route_unref)

const char *replay_outcome_name(enum replay_outcome outcome)
{
    switch (outcome) {
    case REPLAY_UNREADABLE:
        return "unreadable";
    case REPLAY_NOT_UNDERSTOOD:
        return "not-understood";
    case REPLAY_NO_TOPIC:
        return "no-topic";
    case REPLAY_REFUSED:
        return "refused";
    case REPLAY_REPLAYED:
        return "replayed";
    }
    return "unknown";
}

size_t judgement_arena_max(size_t value_len)
{
    /* The value's copy, and once more in brackets; the headers, which a broker bounds by the size
     * of a message. */
    const size_t headers_max = (size_t)2 << 20;
    return envelope_arena_max(value_len + 2) + 2 * value_len + headers_max;
}

static const struct provider *find_provider(const struct judgement_options *opt, const char *name)
{
    for (size_t i = 0; opt->providers[i] != NULL; i++)
        if (strcmp(opt->providers[i]->name, name) == 0)
            return opt->providers[i];
    return NULL;
}

/* A part of a specification as route_new() takes it. */
static const char *part_or_all(const char *part)
{
    return strcmp(part, SPECIFICATION_ALL) == 0 ? NULL : part;
}

/* The route that the letter came by, as far as it matters: it may be gone for long. */
static enum status make_route(const struct provider *provider, const struct dead_letter *letter,
                              struct route **ret)
{
    struct specification s;
    bool is_told = letter->specification != NULL &&
                   specification_parse(bytes_of_text(letter->specification), &s);
    const struct route_fields fields = {
        .path = letter->path,
        .provider = provider,
        .account = letter->account,
        .system = letter->system,
        .resource = is_told ? part_or_all(s.resource) : NULL,
        .event = is_told ? part_or_all(s.event) : NULL,
        .state = ROUTE_RETIRED,
    };
    return route_new(&fields, ret);
}

/* The bytes as the parser met them: an element stood in an array, where it is judged otherwise than
 * a whole body; an array in it is none of events. NULL when memory is short. */
static struct bytes body_of(const struct dead_letter *letter, struct arena *a)
{
    if (!letter->is_element)
        return letter->value;
    uint8_t *body = arena_alloc(a, letter->value.len + 2);
    if (body == NULL)
        return bytes_of(NULL, 0);
    body[0] = '[';
    memcpy(body + 1, letter->value.data, letter->value.len);
    body[letter->value.len + 1] = ']';
    return bytes_of(body, letter->value.len + 2);
}

static void refuse(struct judgement *j, const char *detail)
{
    *j = (struct judgement){.outcome = REPLAY_NOT_UNDERSTOOD, .detail = detail};
}

/* The reason of the first event, if all of them are dead letters again. */
static const char *still_dead(const struct event_list *events)
{
    for (size_t i = 0; i < events->len; i++)
        if (events->items[i].reason == DEAD_LETTER_NONE)
            return NULL;
    return events->len == 0 ? NULL : events->items[0].detail;
}

static enum status parse(const struct judgement_options *opt, const struct dead_letter *letter,
                         const struct route *route, struct arena *a, struct judgement *ret)
{
    const struct callback cb = {
        .body = body_of(letter, a),
        .content_type = letter->content_type,
        .received_at_unix_ms = letter->recorded_at_unix_ms,
    };
    if (cb.body.data == NULL)
        return STATUS_NOMEM;
    struct event_list events = {0};
    enum status status = route->provider->unify(route, &cb, &opt->provider, a, &events);
    if (status != STATUS_OK)
        return status;
    const char *detail = still_dead(&events);
    if (detail == NULL && letter->is_element && events.len != 1)
        detail = "it is no element of an array";
    if (detail != NULL) {
        refuse(ret, detail);
        return STATUS_OK;
    }
    ret->outcome = REPLAY_REPLAYED;
    ret->detail = "";
    ret->records_len = events.len;
    if (events.len == 0)
        return STATUS_OK;
    return envelope_seal_again(&opt->envelope, route, &cb, letter, &events, a, &ret->records);
}

/* The record that the broker refused was finished: it goes where it was meant to go, as it was. */
static void take_refused(const struct dead_letter *letter, struct record *record,
                         struct judgement *ret)
{
    *record = letter->refused;
    *ret = (struct judgement){
        .outcome = REPLAY_REPLAYED, .detail = "", .records = record, .records_len = 1};
}

enum status judgement_make(const struct judgement_options *opt, const struct dead_letter *letter,
                           struct arena *a, struct judgement *ret)
{
    struct judgement j = {.detail = ""};
    if (letter->refused.topic != NULL) {
        struct record *record = arena_alloc(a, sizeof(*record));
        if (record == NULL)
            return STATUS_NOMEM;
        take_refused(letter, record, ret);
        return STATUS_OK;
    }
    const struct provider *provider = find_provider(opt, letter->provider);
    if (provider == NULL) {
        refuse(ret, "this version does not know its provider");
        return STATUS_OK;
    }
    CLEANUP(route_unref_scoped) struct route *route = NULL;
    enum status status = make_route(provider, letter, &route);
    if (status == STATUS_OK)
        status = parse(opt, letter, route, a, &j);
    if (status != STATUS_OK)
        return status;
    assert(j.outcome != REPLAY_REPLAYED || (j.records_len == 0) == (j.records == NULL));
    *ret = j;
    return STATUS_OK;
}
