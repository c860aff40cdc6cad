#include "bridge/settings/setting.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/settings/integrations.h"
#include "bridge/settings/load.h"
#include "bridge/settings/properties.h"
#include "bridge/settings/url.h"

/* Longer than every sentence of setting_expectation(). */
#define EXPECTATION_MAX 512

static void mistyped(const struct setting *s, const struct node *n, struct load *l)
{
    CLEANUP(buf_done) struct buf expectation;
    buf_init(&expectation, EXPECTATION_MAX);
    setting_expectation(s, &expectation);
    load_note_status(l, expectation.status);
    load_mistyped(l, n, s->key, buf_text(&expectation));
}

/* --- reading ------------------------------------------------------------------------------- */

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Text of min..max characters on one line; NULL, with a problem, for anything else. */
static const char *read_text(const struct setting *s, const struct node *n, struct load *l)
{
    if (node_is_text(n) && !has_control(n->text) && strlen(n->text) >= (size_t)s->min &&
        (s->max == 0 || strlen(n->text) <= (size_t)s->max))
        return n->text;
    mistyped(s, n, l);
    return NULL;
}

static void read_bool(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    if (!node_is_bool(n, member))
        mistyped(s, n, l);
}

/* -?(0|[1-9][0-9]*): a leading zero might mean octal to another reader. */
static bool parse_integer(const char *text, int64_t *ret)
{
    const char *digits = text + (*text == '-');
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits) ||
        (digits[0] == '0' && digits[1] != '\0'))
        return false;
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool read_integer(const struct setting *s, const struct node *n, struct load *l,
                         int64_t *ret)
{
    if (node_is_number(n) && parse_integer(n->text, ret) && *ret >= s->min && *ret <= s->max)
        return true;
    mistyped(s, n, l);
    return false;
}

static void read_u32(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    int64_t value;
    if (read_integer(s, n, l, &value))
        *(uint32_t *)member = (uint32_t)value;
}

static void read_i64(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    int64_t value;
    if (read_integer(s, n, l, &value))
        *(int64_t *)member = value;
}

const char *setting_choice(const struct setting *s, unsigned index, size_t *ret_len)
{
    const char *name = s->unit;
    for (; index > 0; index--) {
        name = strchr(name, '|');
        if (name == NULL)
            return NULL;
        name++;
    }
    *ret_len = strcspn(name, "|");
    return name;
}

static void read_enum(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    const char *name;
    size_t len;
    for (unsigned i = 0; node_is_text(n) && (name = setting_choice(s, i, &len)) != NULL; i++) {
        if (strlen(n->text) != len || memcmp(n->text, name, len) != 0)
            continue;
        *(unsigned *)member = i;
        return;
    }
    mistyped(s, n, l);
}

static void read_plain_text(const struct setting *s, const struct node *n, struct load *l,
                            void *member)
{
    const char *text = read_text(s, n, l);
    if (text != NULL)
        *(const char **)member = load_copy(l, text);
}

/* Source: org.apache.kafka.common.internals.Topic, Kafka 4.3.0: legal characters, 249 of them. */
static bool topic_is_legal(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen(name);
}

static void read_topic(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    const char *text = read_text(s, n, l);
    if (text != NULL && !topic_is_legal(text))
        mistyped(s, n, l);
    else if (text != NULL)
        *(const char **)member = load_copy(l, text);
}

static void read_path(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    const char *text = read_text(s, n, l);
    if (text != NULL)
        *(const char **)member = load_resolve(l, n->place.file, text);
}

static void read_address(const struct setting *s, const struct node *n, struct load *l,
                         void *member)
{
    const char *text = read_text(s, n, l);
    struct address address;
    if (text == NULL)
        return;
    if (address_parse(text, &address, NULL) == STATUS_OK)
        *(struct address *)member = address;
    else
        mistyped(s, n, l);
}

static bool url_fits(const struct setting *s, const char *text)
{
    switch (s->kind) {
    case SETTING_BROKERS:
        return url_is_broker_list(text);
    case SETTING_URL:
        return url_is_base(text);
    default:
        return url_is_public_base(text);
    }
}

static void read_url(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    const char *text = read_text(s, n, l);
    if (text != NULL && !url_fits(s, text))
        mistyped(s, n, l);
    else if (text != NULL)
        *(const char **)member = load_copy(l, text);
}

static void read_urls(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    size_t len = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next)
        len++;
    if (n->kind != NODE_LIST || len > (size_t)s->max) {
        mistyped(s, n, l);
        return;
    }
    struct text_list urls = {load_alloc(l, len + 1, sizeof(*urls.items)), 0};
    for (const struct node *item = n->first; item != NULL && urls.items != NULL;
         item = item->next) {
        if (node_is_text(item) && url_is_public_base(item->text))
            urls.items[urls.len++] = load_copy(l, item->text);
        else
            load_mistyped(l, item, s->key, URL_PUBLIC_BASE_EXPECTATION);
    }
    *(struct text_list *)member = urls;
}

static void read_properties(const struct setting *s, const struct node *n, struct load *l,
                            void *member)
{
    if (n->kind == NODE_MAP)
        properties_read(s->key, n, l, member);
    else if (!node_is_null(n))
        mistyped(s, n, l);
}

static void read_integrations(const struct setting *s, const struct node *n, struct load *l,
                              void *member)
{
    if (n->kind == NODE_MAP)
        integrations_read(s->key, n, l, member);
    else if (!node_is_null(n))
        mistyped(s, n, l);
}

/* --- showing ------------------------------------------------------------------------------- */

static void print_bool(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    (void)s, (void)redacted;
    buf_append_text(ret, *(const bool *)member ? "true" : "false");
}

static void print_u32(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    (void)s, (void)redacted;
    buf_printf(ret, "%" PRIu32, *(const uint32_t *)member);
}

static void print_i64(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    (void)s, (void)redacted;
    buf_printf(ret, "%" PRId64, *(const int64_t *)member);
}

static void print_enum(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    (void)redacted;
    size_t len = 0;
    const char *name = setting_choice(s, *(const unsigned *)member, &len);
    assert(name != NULL);
    json_text_string(ret, bytes_of(name, len));
}

static void print_text(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    (void)s, (void)redacted;
    json_text_string(ret, bytes_of_text(*(const char *const *)member));
}

static void print_address(const struct setting *s, const void *member, bool redacted,
                          struct buf *ret)
{
    (void)s, (void)redacted;
    const struct address *address = member;
    bool v6 = strchr(address->host, ':') != NULL;
    buf_printf(ret, "\"%s%s%s:%u\"", v6 ? "[" : "", address->host, v6 ? "]" : "", address->port);
}

static void print_urls(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    (void)s, (void)redacted;
    const struct text_list *urls = member;
    buf_append_text(ret, "[");
    for (size_t i = 0; i < urls->len; i++) {
        buf_append_text(ret, i == 0 ? "" : ", ");
        json_text_string(ret, bytes_of_text(urls->items[i]));
    }
    buf_append_text(ret, "]");
}

static void print_properties(const struct setting *s, const void *member, bool redacted,
                             struct buf *ret)
{
    (void)s;
    properties_print(member, redacted, ret);
}

static void print_integrations(const struct setting *s, const void *member, bool redacted,
                               struct buf *ret)
{
    (void)s, (void)redacted;
    integrations_print(member, ret);
}

/* --- kinds --------------------------------------------------------------------------------- */

struct kind {
    void (*read)(const struct setting *s, const struct node *n, struct load *l, void *member);
    void (*print)(const struct setting *s, const void *member, bool redacted, struct buf *ret);
    const char *expectation; /* NULL: made of the row */
};

static const struct kind kinds[SETTING_KINDS] = {
    [SETTING_BOOL] = {read_bool, print_bool, "true or false"},
    [SETTING_U32] = {read_u32, print_u32, NULL},
    [SETTING_I64] = {read_i64, print_i64, NULL},
    [SETTING_ENUM] = {read_enum, print_enum, NULL},
    [SETTING_TEXT] = {read_plain_text, print_text, NULL},
    [SETTING_TOPIC] = {read_topic, print_text, NULL},
    [SETTING_FILE] = {read_path, print_text, "a path"},
    [SETTING_SECRET] = {read_path, print_text, "a path"},
    [SETTING_DIRECTORY] = {read_path, print_text, "a path"},
    [SETTING_PATH] = {read_path, print_text, "a path"},
    [SETTING_ADDRESS] = {read_address, print_address,
                         "host:port, [v6]:port or :port with a port of 0..65535"},
    [SETTING_BROKERS] = {read_url, print_text, "host:port[,host:port...]"},
    [SETTING_URL] = {read_url, print_text, URL_BASE_EXPECTATION},
    [SETTING_PUBLIC_URL] = {read_url, print_text, URL_PUBLIC_BASE_EXPECTATION},
    [SETTING_PUBLIC_URLS] = {read_urls, print_urls, "a list of at most 100 URLs"},
    [SETTING_PROPERTIES] = {read_properties, print_properties,
                            "a map of librdkafka properties and their values"},
    [SETTING_INTEGRATIONS] = {read_integrations, print_integrations, "a map of target systems"},
};

void setting_read(const struct setting *s, const struct node *n, struct load *l, void *member)
{
    kinds[s->kind].read(s, n, l, member);
}

/* Through the same reader as a file's value, so that a wrong default cannot hide. */
void setting_read_default(const struct setting *s, struct load *l, void *member)
{
    struct node n = {.place = {l->settings->file, 1, 1}, .text = s->default_text};
    switch (s->kind) {
    case SETTING_PUBLIC_URLS:
        n.kind = NODE_LIST;
        break;
    case SETTING_PROPERTIES:
    case SETTING_INTEGRATIONS:
        n.kind = NODE_MAP;
        break;
    case SETTING_BOOL:
    case SETTING_U32:
    case SETTING_I64:
        n.plain = true;
        break;
    case SETTING_BROKERS:
    case SETTING_PUBLIC_URL:
        *(const char **)member = ""; /* none: there is no default */
        return;
    default:
        break;
    }
    setting_read(s, &n, l, member);
}

static void expect_choice(const struct setting *s, struct buf *ret)
{
    const char *name;
    size_t len;
    for (unsigned i = 0; (name = setting_choice(s, i, &len)) != NULL; i++) {
        buf_append_text(ret, i == 0 ? "" : name[len] == '\0' ? " or " : ", ");
        buf_append(ret, name, len);
    }
}

void setting_expectation(const struct setting *s, struct buf *ret)
{
    switch (s->kind) {
    case SETTING_U32:
    case SETTING_I64:
        buf_printf(ret, "an integer of %" PRId64 "..%" PRId64 " %s", s->min, s->max, s->unit);
        return;
    case SETTING_ENUM:
        expect_choice(s, ret);
        return;
    case SETTING_TEXT:
        buf_printf(ret, "text of %" PRId64 "..%" PRId64 " characters", s->min, s->max);
        return;
    case SETTING_TOPIC:
        buf_printf(ret, "a topic name of 1..%" PRId64 " letters, digits, \".\", \"_\" and \"-\"%s",
                   s->max, s->min == 0 ? ", or \"\"" : "");
        return;
    default:
        buf_append_text(ret, kinds[s->kind].expectation);
    }
}

void setting_print(const struct setting *s, const void *member, bool redacted, struct buf *ret)
{
    kinds[s->kind].print(s, member, redacted, ret);
}
