#include "bridge/providers/api_answer.h"

#include <stdio.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/base/timestamp.h"
#include "bridge/base/utf8.h"
#include "bridge/providers/json_scan.h"

/* --- verdicts ------------------------------------------------------------------------------- */

/* What may have been acted on is looked up before anything else; reading changes nothing. */
static enum provider_verdict unclear(enum provider_method method)
{
    return method == PROVIDER_GET ? VERDICT_RETRY_LATER : VERDICT_AMBIGUOUS;
}

/* Source: docs.maesn.com, "Error handling" (both versions), 2026; github.com/moneybird/openapi at
 * ff5b679, responses. Bodies are not branched on: neither document says what is in them.
 */
static enum provider_verdict verdict_of_status(enum provider_method method, int http_status)
{
    bool names_one = method == PROVIDER_DELETE || method == PROVIDER_PATCH;
    switch (http_status) {
    case 401:
        return VERDICT_UNAUTHORIZED;
    case 403:
        return VERDICT_FORBIDDEN;
    case 404:
    case 410:
        return names_one ? VERDICT_NOT_FOUND : VERDICT_REFUSED;
    case 408: /* a proxy gave up on us, or on the provider */
    case 425:
        return unclear(method);
    case 429: /* RFC 6585 section 4: it was not acted on */
        return VERDICT_RETRY_LATER;
    default:
        break;
    }
    if (http_status >= 200 && http_status < 300)
        return VERDICT_OK;
    if (http_status >= 400 && http_status < 500)
        return VERDICT_REFUSED;
    if (http_status >= 500 && http_status < 600)
        return unclear(method);
    return method == PROVIDER_GET ? VERDICT_UNTRUSTED : VERDICT_AMBIGUOUS; /* a redirect */
}

enum provider_verdict api_answer_verdict(enum provider_method method,
                                         const struct provider_answer *answer)
{
    switch (answer->reach) {
    case PROVIDER_UNSENT:
        return VERDICT_RETRY_LATER;
    case PROVIDER_UNANSWERED:
        return unclear(method);
    case PROVIDER_ANSWERED:
        return verdict_of_status(method, answer->http_status);
    }
    return VERDICT_AMBIGUOUS;
}

/* --- sentences ------------------------------------------------------------------------------ */

/* How much of a body is shown, and how long a word may be: secrets and tokens are 24 characters or
 * more, the parts of a UUID 12 at most. */
enum { QUOTE_MAX = 200, QUOTE_WORD_MAX = 19, QUOTE_READ_MAX = 4096 };

static bool holds(struct bytes text, const struct secret *secret)
{
    if (secret == NULL)
        return false;
    struct bytes key = secret_bytes(secret);
    return memmem(text.data, text.len, key.data, key.len) != NULL;
}

static bool is_word_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t word_len(struct bytes text, size_t at)
{
    size_t end = at;
    while (end < text.len && is_word_byte(text.data[end]))
        end++;
    return end - at;
}

/* Appends the character at `at`, or a space for what would move a terminal's cursor; returns its
 * length. */
static size_t quote_character(struct buf *b, struct bytes text, size_t at)
{
    const uint8_t *from = text.data + at;
    size_t len = utf8_sequence(from, text.len - at);
    uint32_t code_point = len == 0 ? 0 : utf8_decode(from, len);
    bool is_control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
    if (is_control)
        buf_append_text(b, " ");
    else
        buf_append(b, from, len);
    return len == 0 ? 1 : len;
}

static void quote(struct buf *b, struct bytes text)
{
    if (text.len > QUOTE_READ_MAX)
        text.len = QUOTE_READ_MAX;
    for (size_t at = 0; at < text.len;) {
        size_t len = word_len(text, at);
        size_t shown = len > QUOTE_WORD_MAX ? strlen("***") : len;
        if (b->len + (shown > 4 ? shown : 4) > QUOTE_MAX) {
            buf_append_text(b, "...");
            return;
        }
        if (len == 0)
            at += quote_character(b, text, at);
        else
            buf_append(b, len > QUOTE_WORD_MAX ? (const uint8_t *)"***" : text.data + at, shown);
        at += len;
    }
}

void api_answer_quote(const struct provider_credentials *c, struct bytes text, struct diag *diag)
{
    CLEANUP(buf_done) struct buf shown;
    buf_init(&shown, QUOTE_MAX + sizeof("..."));
    if (text.len == 0)
        return;
    if (holds(text, c->api_key) || holds(text, c->account_key))
        buf_append_text(&shown, "(not shown: a key stands in it)");
    else
        quote(&shown, text);
    size_t len = strlen(diag->text);
    snprintf(diag->text + len, sizeof(diag->text) - len, ": %s", buf_text(&shown));
}

/* "maesn answered 500: its body's beginning". */
static void explain(const struct provider_credentials *c, const struct provider_answer *answer,
                    struct diag *diag)
{
    switch (answer->reach) {
    case PROVIDER_UNSENT:
        diag_set(diag, STATUS_UNAVAILABLE, "%s was not reached", c->provider);
        return;
    case PROVIDER_UNANSWERED:
        diag_set(diag, STATUS_UNAVAILABLE, "%s gave no whole answer", c->provider);
        return;
    case PROVIDER_ANSWERED:
        break;
    }
    diag_set(diag, STATUS_UNAVAILABLE, "%s answered %d", c->provider, answer->http_status);
    if (answer->http_status >= 400) /* what is no error may hold a new secret */
        api_answer_quote(c, answer->body, diag);
}

void api_answer_change(const struct provider_credentials *c, const struct provider_answer *answer,
                       struct provider_outcome *ret)
{
    *ret = (struct provider_outcome){.verdict = api_answer_verdict(PROVIDER_DELETE, answer)};
    if (ret->verdict != VERDICT_OK)
        explain(c, answer, &ret->reason);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void tell_flaw(enum json_verdict verdict, const struct json_scan *scan, struct diag *diag)
{
    switch (verdict) {
    case JSON_TOO_DEEP:
        diag_set(diag, STATUS_INVALID, "the answer's body is nested too deep");
        return;
    case JSON_DUPLICATE_KEYS:
        diag_set(diag, STATUS_INVALID, "the answer's body has an object with the same key twice");
        return;
    case JSON_MALFORMED:
    case JSON_WELL_FORMED:
        diag_set(diag, STATUS_INVALID, "the answer's body is no JSON, at byte %zu of %zu", scan->at,
                 scan->text.len);
    }
}

/* The one JSON value that a body is. data == NULL: it is none, diag says where. */
static enum status read_json(struct bytes body, struct arena *a, struct bytes *ret,
                             struct diag *diag)
{
    CLEANUP(json_scan_done) struct json_scan scan;
    enum json_verdict verdict;
    json_scan_init(&scan, body, a);
    *ret = bytes_of(NULL, 0);
    if (body.len == 0) {
        diag_set(diag, STATUS_INVALID, "the answer's body is empty");
        return STATUS_OK;
    }
    struct bytes value;
    enum status status = json_scan_value(&scan, &verdict, &value);
    if (status != STATUS_OK)
        return status;
    if (verdict == JSON_WELL_FORMED && json_scan_peek(&scan) != -1)
        verdict = JSON_MALFORMED;
    if (verdict == JSON_WELL_FORMED)
        *ret = value;
    else
        tell_flaw(verdict, &scan, diag);
    return STATUS_OK;
}

static bool is_success(enum provider_method method, int http_status)
{
    return http_status == 200 || (method == PROVIDER_POST && http_status == 201);
}

enum status api_answer_open(const struct provider_credentials *c, enum provider_method method,
                            const struct provider_answer *answer, struct arena *a,
                            struct provider_outcome *outcome, struct bytes *ret)
{
    enum provider_verdict useless = method == PROVIDER_GET ? VERDICT_UNTRUSTED : VERDICT_AMBIGUOUS;
    enum provider_verdict verdict = api_answer_verdict(method, answer);
    *ret = bytes_of(NULL, 0);
    if (verdict != VERDICT_OK || !is_success(method, answer->http_status)) {
        outcome->verdict = verdict == VERDICT_OK ? useless : verdict;
        explain(c, answer, &outcome->reason);
        return STATUS_OK;
    }
    enum status status = read_json(answer->body, a, ret, &outcome->reason);
    if (status == STATUS_OK && ret->data == NULL)
        outcome->verdict = useless;
    return status;
}

static bool is_null(struct bytes value)
{
    return bytes_equal(value, BYTES_LITERAL("null"));
}

bool api_answer_is_object(struct bytes value)
{
    return value.data != NULL && value.data[0] == '{';
}

bool api_answer_is_array(struct bytes value)
{
    return value.data != NULL && value.data[0] == '[';
}

struct bytes api_answer_member(struct bytes object, const char *name)
{
    struct json_member member;
    if (api_answer_is_object(object))
        for (size_t at = 0; json_scan_next_member(object, &at, &member);)
            if (json_scan_key_is(member.key, name))
                return is_null(member.value) ? bytes_of(NULL, 0) : member.value;
    return bytes_of(NULL, 0);
}

bool api_answer_is_empty(struct bytes value)
{
    struct json_member member;
    struct bytes element;
    size_t at = 0;
    if (value.data == NULL)
        return true;
    if (api_answer_is_array(value))
        return !json_scan_next_element(value, &at, &element);
    if (api_answer_is_object(value))
        return !json_scan_next_member(value, &at, &member);
    return bytes_equal(value, BYTES_LITERAL("\"\""));
}

int64_t api_answer_time(struct bytes value)
{
    int64_t unix_ms = PROVIDER_TIME_UNKNOWN;
    if (value.data != NULL && json_scan_is_string(value))
        timestamp_parse(bytes_of(value.data + 1, value.len - 2), &unix_ms);
    return unix_ms;
}

bool api_answer_count(struct bytes value, unsigned *ret)
{
    unsigned count = 0;
    if (value.data == NULL || value.len > 9)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        count = 10 * count + (value.data[i] - '0');
    }
    *ret = count;
    return true;
}

enum status api_answer_secret(struct bytes value, struct arena *a, struct secret **ret)
{
    *ret = NULL;
    if (value.data == NULL || !json_scan_is_string(value) || value.len == strlen("\"\""))
        return STATUS_OK;
    const char *text = json_scan_text(value, a);
    if (text == NULL)
        return STATUS_NOMEM;
    enum status status = secret_new(bytes_of_text(text), ret, NULL);
    crypto_wipe((void *)text, strlen(text));
    return status == STATUS_NOMEM ? status : STATUS_OK;
}
