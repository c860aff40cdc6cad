/* Lines of text, each for every small reader: instants, addresses, URLs, Retry-After, templates and
 * names; together they are the headers of a captured request. What reads is written so that it
 * reads as the same. */
#include <string.h>

#include "bridge/base/address.h"
#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/base/utf8.h"
#include "bridge/cli/captured_headers.h"
#include "bridge/domain/header_text.h"
#include "bridge/domain/naming.h"
#include "bridge/httpclient/base_url.h"
#include "bridge/httpclient/retry_after.h"
#include "tests/fuzz/fuzz.h"

void fuzz_start(void)
{
}

static void check_timestamp(struct bytes text)
{
    int64_t at = 0, again = 0;
    char written[TIMESTAMP_SIZE];
    if (!timestamp_parse(text, &at))
        return;
    timestamp_format(at, written);
    FUZZ_ASSERT(written[0] != '\0' && timestamp_parse(bytes_of_text(written), &again));
    FUZZ_ASSERT(at == again);
}

static void check_retry_after(struct bytes text)
{
    int64_t now = 1795293215356, wait = retry_after_parse(text, now), date = retry_after_date(text);
    FUZZ_ASSERT(wait >= -1 && wait <= RETRY_AFTER_MAX_MS);
    FUZZ_ASSERT(date < 0 || wait >= 0);
}

static void check_address(const char *text)
{
    struct address a;
    struct diag diag = {0};
    enum status status = address_parse(text, &a, &diag);
    FUZZ_ASSERT(status == STATUS_OK || (status == STATUS_INVALID && diag.text[0] != '\0'));
    if (status == STATUS_OK)
        FUZZ_ASSERT(strlen(a.host) < sizeof(a.host) && strlen(a.host) < strlen(text));
}

static void check_url(const char *text)
{
    static const char base[] = "https://api.example.com/v1";
    if (base_url_covers(base, text)) {
        FUZZ_ASSERT(strncmp(text, base, sizeof(base) - 1) == 0);
        const char *up = strstr(text, "/../"), *query = strchr(text, '?');
        FUZZ_ASSERT(up == NULL || (query != NULL && query < up));
        FUZZ_ASSERT(strpbrk(text, " \\#") == NULL);
    }
    if (base_url_is_plain(text))
        FUZZ_ASSERT(strpbrk(text, "@?# \\") == NULL && text[strlen(text) - 1] != '/');
}

/* Whatever it is, it is one JSON string, of UTF-8. */
static void check_json_text(struct bytes text)
{
    CLEANUP(buf_done) struct buf json;
    buf_init(&json, 1U << 20);
    json_text_string(&json, text);
    if (fuzz_is_nomem(json.status))
        return;
    FUZZ_ASSERT(json.len >= 2 && json.data[0] == '"' && json.data[json.len - 1] == '"');
    for (size_t at = 0, len; at < json.len; at += len) {
        len = utf8_sequence(json.data + at, json.len - at);
        FUZZ_ASSERT(len > 0 && json.data[at] >= 0x20);
        if (len > 1) {
            uint8_t again[4];
            FUZZ_ASSERT(utf8_encode(utf8_decode(json.data + at, len), again) == len);
            FUZZ_ASSERT(memcmp(again, json.data + at, len) == 0);
        }
    }
}

static void check_header_text(const char *text)
{
    const char *fit = header_text(text, fuzz_arena());
    if (fit == NULL) {
        FUZZ_ASSERT(fuzz_is_short_of_memory());
        return;
    }
    FUZZ_ASSERT(strlen(fit) <= HEADER_TEXT_MAX);
    for (size_t at = 0, len; fit[at] != '\0'; at += len) {
        len = utf8_sequence((const uint8_t *)fit + at, strlen(fit + at));
        FUZZ_ASSERT(len > 0);
    }
    const char *again = header_text(fit, fuzz_arena());
    FUZZ_ASSERT(again == NULL ? fuzz_is_short_of_memory() : strcmp(fit, again) == 0);
}

static void check_captured(struct bytes text)
{
    struct captured_headers h;
    if (fuzz_is_nomem(captured_headers_parse(text, fuzz_arena(), &h)))
        return;
    for (size_t i = 0; i < h.len; i++) {
        const char *found = captured_headers_find(&h, h.items[i].name);
        FUZZ_ASSERT(found != NULL && captured_headers_count(&h, h.items[i].name) >= 1);
        FUZZ_ASSERT(strchr(h.items[i].value, '\n') == NULL);
    }
    FUZZ_ASSERT(captured_headers_find(&h, "no such header") == NULL || text.len > 13);
}

/* A template that is accepted makes legal topics and keys of any names; but providers, and
 * resources that have a topic, are ours. */
static void check_naming(const char *template, const char *name)
{
    struct diag diag = {0};
    struct naming n = {"moneybird", name, name, "JOURNAL_ENTRY", name, name};
    if (naming_check_topic(template, &diag) == STATUS_OK) {
        const char *topic = naming_topic(template, &n, fuzz_arena());
        FUZZ_ASSERT(topic != NULL || fuzz_is_short_of_memory());
        FUZZ_ASSERT(topic == NULL || strpbrk(topic, "{}/ \n") == NULL);
    }
    n.resource = name;
    if (naming_check_key(template, NULL) == STATUS_OK) {
        const char *key = naming_key(template, &n, fuzz_arena());
        FUZZ_ASSERT(key != NULL || fuzz_is_short_of_memory());
    }
}

static void check_line(struct bytes line)
{
    uint8_t bytes[32];
    const char *text = fuzz_text(line);
    check_timestamp(line);
    check_retry_after(line);
    check_address(text);
    check_url(text);
    check_header_text(text);
    check_naming(text, "Some-Name");
    check_naming("maesn.{provider}.{system}.{account}.{resource}.{event}", text);
    check_naming("{resource}:{account}:{resource_id}", text);
    if (hex_decode(line, bytes, sizeof(bytes))) {
        char again[65];
        hex_encode(bytes_of(bytes, sizeof(bytes)), again);
        FUZZ_ASSERT(strncasecmp(again, text, 64) == 0 && line.len == 64);
    }
}

void fuzz_one(struct bytes input)
{
    check_json_text(input);
    check_captured(input);
    fuzz_lines(input, check_line);
}
