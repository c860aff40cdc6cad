#include "bridge/domain/dead_letter.h"

#include "bridge/base/timestamp.h"

/* A letter being read. The first failure stays. */
struct reading {
    const struct record *record;
    struct arena *arena;
    struct diag *diag;
    enum status status;
};

static void refuse(struct reading *r, const char *what)
{
    if (r->status == STATUS_OK)
        r->status = diag_set(r->diag, STATUS_INVALID, "%s", what);
}

/* A header's text; NULL where there is none, or one that is no text. */
static const char *optional(struct reading *r, const char *name)
{
    struct bytes value = record_header(r->record, name);
    if (value.data == NULL || memchr(value.data, '\0', value.len) != NULL)
        return NULL;
    const char *text = arena_dup(r->arena, value);
    if (text == NULL && r->status == STATUS_OK)
        r->status = STATUS_NOMEM;
    return text;
}

static const char *required(struct reading *r, const char *name)
{
    const char *text = optional(r, name);
    if ((text == NULL || *text == '\0') && r->status == STATUS_OK) {
        diag_set(r->diag, STATUS_INVALID, "it has no header %s", name);
        r->status = STATUS_INVALID; /* so that an analyser, which sees one file, knows */
    }
    return text;
}

static enum dead_letter_reason read_reason(struct reading *r)
{
    const char *name = required(r, "dead-letter-reason");
    for (int i = DEAD_LETTER_NONE + 1; r->status == STATUS_OK && i < DEAD_LETTER_REASONS; i++)
        if (strcmp(name, dead_letter_reason_name((enum dead_letter_reason)i)) == 0)
            return (enum dead_letter_reason)i;
    refuse(r, "its dead-letter-reason is none that this version knows");
    return DEAD_LETTER_NONE;
}

/* The names go into topics, keys and JSON as they are: whoever may write to the topic must not
 * choose them freely. */
static bool is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && text[len] == '\0';
}

/* "/maesn/xero/acme-42" */
static void read_source(struct reading *r, struct dead_letter *ret)
{
    const char *source = required(r, "ce_source");
    if (r->status != STATUS_OK)
        return;
    const char **const parts[] = {&ret->provider, &ret->system, &ret->account};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t len = *source == '/' ? strcspn(source + 1, "/") : 0;
        *parts[i] = arena_dup(r->arena, bytes_of(source + 1, len));
        if (*parts[i] == NULL) {
            r->status = STATUS_NOMEM;
            return;
        }
        if (!is_name(*parts[i])) {
            refuse(r, "its ce_source is not /provider/system/account");
            return;
        }
        source += 1 + len;
    }
    if (*source != '\0')
        refuse(r, "its ce_source is not /provider/system/account");
}

static void read_recorded(struct reading *r, struct dead_letter *ret)
{
    const char *text = required(r, "ce_recordedtime");
    if (r->status == STATUS_OK && !timestamp_parse(bytes_of_text(text), &ret->recorded_at_unix_ms))
        refuse(r, "its ce_recordedtime is no RFC 3339 date-time");
}

/* In the order in which envelope_seal() writes them. */
static void read_refused(struct reading *r, struct dead_letter *ret)
{
    static const struct {
        const char *name, *from;
    } kept[] = {
        {"content-type", "dead-letter-content-type"},
        {"ce_specversion", "ce_specversion"},
        {"ce_id", "ce_id"},
        {"ce_source", "ce_source"},
        {"ce_type", "dead-letter-type"},
        {"ce_subject", "ce_subject"},
        {"ce_time", "ce_time"},
        {"ce_recordedtime", "ce_recordedtime"},
        {"ce_dataschema", "dead-letter-dataschema"},
        {"traceparent", "traceparent"},
        {"tracestate", "tracestate"},
        {"traceparent-in", "traceparent-in"},
    };
    const char *topic = optional(r, "dead-letter-topic");
    struct bytes key = record_header(r->record, "dead-letter-key");
    bool is_whole = topic != NULL && *topic != '\0' && key.data != NULL &&
                    record_header(r->record, "dead-letter-type").data != NULL;
    if (!is_whole)
        return;
    ret->refused = (struct record){
        .topic = topic,
        .key = key,
        .value = ret->value,
        .account = ret->account,
        .path = ret->path,
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct bytes value = record_header(r->record, kept[i].from);
        if (value.data != NULL)
            record_add_header(&ret->refused, kept[i].name, value);
    }
}

enum status dead_letter_read(const struct record *rec, struct arena *a, struct dead_letter *ret,
                             struct diag *diag)
{
    struct reading r = {.record = rec, .arena = a, .diag = diag};
    struct dead_letter letter = {
        .value = rec->value.data == NULL ? BYTES_LITERAL("") : rec->value,
    };
    letter.reason = read_reason(&r);
    letter.id = required(&r, "ce_id");
    read_source(&r, &letter);
    read_recorded(&r, &letter);
    letter.path = required(&r, "dead-letter-path");
    letter.detail = optional(&r, "dead-letter-detail");
    letter.specification = optional(&r, "dead-letter-specification");
    letter.content_type = optional(&r, "content-type");
    letter.traceparent = optional(&r, "traceparent");
    letter.tracestate = optional(&r, "tracestate");
    letter.traceparent_in = optional(&r, "traceparent-in");
    letter.is_element = record_header(rec, "dead-letter-element").data != NULL;
    if (letter.detail == NULL)
        letter.detail = "";
    if (letter.reason == DEAD_LETTER_REFUSED_BY_BROKER)
        read_refused(&r, &letter);
    if (r.status == STATUS_OK)
        *ret = letter;
    return r.status;
}
