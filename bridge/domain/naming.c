#include "bridge/domain/naming.h"

#include <string.h>

#include "bridge/base/arena.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/resource.h"
#include "bridge/domain/route.h"
#include "bridge/domain/slug.h"

/* Source: Kafka's Topic.java: at most 249 of [a-zA-Z0-9._-], neither "." nor "..". */
static const size_t topic_max = 249;

/* Bounds a key to 36 texts ("{event}" is the shortest placeholder) of HEADER_TEXT_MAX. */
static const size_t key_template_max = 256, key_max = 32768;

/* The longest a system or an account can be, and so the longest of all values in a topic. */
#define VALUE_SLUG_MAX 64

DEFINE_CLEANUP(struct arena *, arena_free)

enum placeholder {
    PLACEHOLDER_NONE = 0,
    PLACEHOLDER_PROVIDER,
    PLACEHOLDER_SYSTEM,
    PLACEHOLDER_ACCOUNT,
    PLACEHOLDER_RESOURCE,
    PLACEHOLDER_EVENT,
    PLACEHOLDER_RESOURCE_ID,
};

static const char *const placeholder_names[] = {
    [PLACEHOLDER_NONE] = "",
    [PLACEHOLDER_PROVIDER] = "{provider}",
    [PLACEHOLDER_SYSTEM] = "{system}",
    [PLACEHOLDER_ACCOUNT] = "{account}",
    [PLACEHOLDER_RESOURCE] = "{resource}",
    [PLACEHOLDER_EVENT] = "{event}",
    [PLACEHOLDER_RESOURCE_ID] = "{resource_id}",
};
#define PLACEHOLDERS (sizeof(placeholder_names) / sizeof(placeholder_names[0]))

/* The placeholder that text begins with. */
static enum placeholder placeholder_at(const char *text)
{
    for (size_t i = PLACEHOLDER_PROVIDER; *text == '{' && i < PLACEHOLDERS; i++)
        if (strncmp(text, placeholder_names[i], strlen(placeholder_names[i])) == 0)
            return (enum placeholder)i;
    return PLACEHOLDER_NONE;
}

/* What the template's next piece becomes: a placeholder's value, or the text up to the next one. */
static struct bytes next_piece(const char **template, const char *const values[PLACEHOLDERS])
{
    enum placeholder placeholder = placeholder_at(*template);
    struct bytes piece = bytes_of_text(values[placeholder]);
    if (placeholder == PLACEHOLDER_NONE)
        piece = bytes_of(*template, 1 + strcspn(*template + 1, "{"));
    *template +=
        placeholder == PLACEHOLDER_NONE ? piece.len : strlen(placeholder_names[placeholder]);
    return piece;
}

static size_t expanded_len(const char *template, const char *const values[PLACEHOLDERS])
{
    size_t len = 0;
    while (*template != '\0')
        len += next_piece(&template, values).len;
    return len;
}

/* template with each placeholder replaced by values[placeholder]; NULL when it is longer than max,
 * or memory is short. */
static const char *expand(const char *template, const char *const values[PLACEHOLDERS], size_t max,
                          struct arena *a)
{
    size_t len = expanded_len(template, values);
    char *text = len > max ? NULL : arena_alloc(a, len + 1), *to = text;
    if (text == NULL)
        return NULL;
    while (*template != '\0') {
        struct bytes piece = next_piece(&template, values);
        if (piece.len > 0)
            memcpy(to, piece.data, piece.len);
        to += piece.len;
    }
    *to = '\0';
    return text;
}

static enum status check_placeholders(const char *template, const char *known, struct diag *diag)
{
    if (*template == '\0')
        return diag_set(diag, STATUS_INVALID, "\"\", a template that is not empty");
    for (const char *at = template; *at != '\0'; at++) {
        if (*at == '}')
            return diag_set(diag, STATUS_INVALID, "\"%s\", a { before each }", template);
        if (*at != '{')
            continue;
        enum placeholder placeholder = placeholder_at(at);
        if (placeholder == PLACEHOLDER_NONE ||
            strstr(known, placeholder_names[placeholder]) == NULL)
            return diag_set(diag, STATUS_INVALID, "\"%.*s\", one of %s",
                            (int)strcspn(at, "}") + (strchr(at, '}') != NULL), at, known);
        at += strlen(placeholder_names[placeholder]) - 1;
    }
    return STATUS_OK;
}

static enum status check_topic_name(const char *template, const char *topic, struct diag *diag)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (topic[strspn(topic, legal)] != '\0')
        return diag_set(diag, STATUS_INVALID,
                        "\"%s\", only letters, digits, \".\", \"_\" and \"-\"", template);
    if (strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0)
        return diag_set(diag, STATUS_INVALID, "\"%s\", a name other than \".\" and \"..\"",
                        template);
    return STATUS_OK;
}

enum status naming_check_topic(const char *template, struct diag *diag)
{
    enum status status =
        check_placeholders(template, "{provider} {system} {account} {resource} {event}", diag);
    if (status != STATUS_OK)
        return status;

    /* The longest value of each: a topic may be refused here, never at run time. */
    char id[VALUE_SLUG_MAX + 1];
    memset(id, 'a', VALUE_SLUG_MAX);
    id[VALUE_SLUG_MAX] = '\0';
    const char *const longest[PLACEHOLDERS] = {
        [PLACEHOLDER_PROVIDER] = "moneybird", [PLACEHOLDER_SYSTEM] = id,
        [PLACEHOLDER_ACCOUNT] = id,           [PLACEHOLDER_RESOURCE] = "journal-entry",
        [PLACEHOLDER_EVENT] = "created",
    };
    if (expanded_len(template, longest) > topic_max)
        return diag_set(diag, STATUS_INVALID, "\"%s\", a topic of at most %zu characters", template,
                        topic_max);
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(topic_max + 1);
    const char *topic = a == NULL ? NULL : expand(template, longest, topic_max, a);
    return topic == NULL ? STATUS_NOMEM : check_topic_name(template, topic, diag);
}

enum status naming_check_key(const char *template, struct diag *diag)
{
    if (strlen(template) > key_template_max)
        return diag_set(diag, STATUS_INVALID, "\"%.32s...\", at most %zu characters", template,
                        key_template_max);
    return check_placeholders(
        template, "{provider} {system} {account} {resource} {event} {resource_id}", diag);
}

static const char *slug_into(const char *text, char ret[VALUE_SLUG_MAX + 1])
{
    if (text == NULL)
        return NULL;
    slug_write(text, VALUE_SLUG_MAX, ret);
    return ret;
}

static const char *event_for_topic(const char *event_type, char ret[VALUE_SLUG_MAX + 1])
{
    if (event_type == NULL)
        return slug_into(NAMING_NO_EVENT_TYPE, ret);
    return slug_into(event_type_is_known(event_type) ? event_type : "other", ret);
}

const char *naming_topic(const char *template, const struct naming *n, struct arena *a)
{
    char slugs[PLACEHOLDERS][VALUE_SLUG_MAX + 1];
    const char *const values[PLACEHOLDERS] = {
        [PLACEHOLDER_PROVIDER] = slug_into(n->provider, slugs[PLACEHOLDER_PROVIDER]),
        [PLACEHOLDER_SYSTEM] = slug_into(n->system, slugs[PLACEHOLDER_SYSTEM]),
        [PLACEHOLDER_ACCOUNT] = slug_into(n->account, slugs[PLACEHOLDER_ACCOUNT]),
        [PLACEHOLDER_RESOURCE] = slug_into(n->resource, slugs[PLACEHOLDER_RESOURCE]),
        [PLACEHOLDER_EVENT] = event_for_topic(n->event_type, slugs[PLACEHOLDER_EVENT]),
    };
    return expand(template, values, topic_max, a);
}

/* Whatever the locale: only ASCII has an upper case here. */
static const char *upper(const char *text, struct arena *a)
{
    char *copy = arena_dup(a, bytes_of_text(text));
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    return copy;
}

const char *naming_key(const char *template, const struct naming *n, struct arena *a)
{
    const char *event_type = n->event_type == NULL ? NAMING_NO_EVENT_TYPE : n->event_type;
    const char *const values[PLACEHOLDERS] = {
        [PLACEHOLDER_PROVIDER] = n->provider,       [PLACEHOLDER_SYSTEM] = n->system,
        [PLACEHOLDER_ACCOUNT] = n->account,         [PLACEHOLDER_RESOURCE] = upper(n->resource, a),
        [PLACEHOLDER_EVENT] = upper(event_type, a), [PLACEHOLDER_RESOURCE_ID] = n->resource_id,
    };
    if (values[PLACEHOLDER_RESOURCE] == NULL || values[PLACEHOLDER_EVENT] == NULL)
        return NULL;
    return expand(template, values, key_max, a);
}
