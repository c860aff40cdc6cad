/* "PROVIDER STATUS" on the first line, then the body of an answer, and behind a line "---" that of
 * the next page: a list is trusted only when nothing about it is odd, and nothing that is told of
 * an answer has a key of ours. */
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/provider_api.h"
#include "bridge/providers/providers.h"
#include "tests/fuzz/fuzz.h"

#define API_KEY "api-key-0123456789"
#define ACCOUNT_KEY "account-key-9876"
#define CALLBACK "https://hooks.example.com/in/maesn/acme-42/invoice/created/1-abc"

static struct provider_credentials credentials = {
    .base_url = "https://api.example.com/v1", .company_id = "123", .environment_name = "p & q"};

void fuzz_start(void)
{
    struct secret *key;
    FUZZ_ASSERT(secret_new(BYTES_LITERAL(API_KEY), &key, NULL) == STATUS_OK);
    credentials.api_key = key;
    FUZZ_ASSERT(secret_new(BYTES_LITERAL(ACCOUNT_KEY), &key, NULL) == STATUS_OK);
    credentials.account_key = key;
}

/* A sentence for people, without what is secret, and without what would break their screen. */
static void check_outcome(const struct provider_outcome *o)
{
    const char *text = o->reason.text;
    FUZZ_ASSERT(provider_verdict_name(o->verdict) != NULL);
    FUZZ_ASSERT(o->verdict == VERDICT_OK || text[0] != '\0');
    FUZZ_ASSERT(strstr(text, API_KEY) == NULL && strstr(text, ACCOUNT_KEY) == NULL);
    for (; *text != '\0'; text++)
        FUZZ_ASSERT((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_listing(const struct listing *l, const struct provider_answer *answer)
{
    FUZZ_ASSERT(!l->trusted || l->outcome.verdict == VERDICT_OK);
    FUZZ_ASSERT(!l->trusted || l->next_page == 0);
    FUZZ_ASSERT(l->next_page <= LISTING_PAGES_MAX && l->len <= LISTING_ENTRIES_MAX);
    if (!l->trusted)
        return;
    FUZZ_ASSERT(answer->reach == PROVIDER_ANSWERED && answer->http_status == 200);
    for (size_t i = 0; i < l->len; i++) {
        FUZZ_ASSERT(l->entries[i].id != NULL && l->entries[i].id[0] != '\0');
        FUZZ_ASSERT(l->entries[i].callback_url != NULL && l->entries[i].callback_url[0] != '\0');
        for (size_t k = 0; k < i; k++)
            FUZZ_ASSERT(strcmp(l->entries[i].id, l->entries[k].id) != 0);
    }
}

static void check_list(const struct provider_api *api, const struct provider_answer *first,
                       const struct provider_answer *next)
{
    struct listing l = {0};
    const struct provider_answer *answer = first;
    for (unsigned page = 1; page <= 4; page++) {
        struct provider_request request;
        unsigned asked = l.pages == 0 ? 1 : l.next_page;
        if (fuzz_is_nomem(api->list(&credentials, asked, fuzz_arena(), &request, NULL)) ||
            fuzz_is_nomem(api->read_list(&credentials, answer, fuzz_arena(), &l)))
            return;
        check_listing(&l, answer);
        if (l.next_page == 0) {
            check_outcome(&l.outcome);
            return;
        }
        answer = next;
    }
}

/* Neither the URL nor a header ends early, and no secret stands where a header may be shown. */
static void check_request(enum status status, const struct provider_request *r)
{
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return;
    FUZZ_ASSERT(strncmp(r->url, "https://api.example.com/v1/", 27) == 0);
    FUZZ_ASSERT(strpbrk(r->url, " \t\r\n#\"\\") == NULL);
    FUZZ_ASSERT(strstr(r->url, "/../") == NULL && strstr(r->url, "/./") == NULL);
    for (size_t i = 0; i < r->headers_len; i++)
        FUZZ_ASSERT(strpbrk(r->headers[i].text, "\r\n") == NULL &&
                    strstr(r->headers[i].text, ACCOUNT_KEY) == NULL);
}

static void check_create(const struct provider_api *api, const struct provider_answer *answer)
{
    struct created c;
    struct provider_request request;
    enum status status = api->read_create(&credentials, answer, CALLBACK, fuzz_arena(), &c);
    if (!fuzz_is_nomem(status)) {
        check_outcome(&c.outcome);
        FUZZ_ASSERT((c.outcome.verdict == VERDICT_OK) == (c.secret != NULL));
        bool is_made = c.secret != NULL || c.outcome.verdict == VERDICT_NO_SECRET;
        FUZZ_ASSERT(!is_made || c.entry.id != NULL);
        FUZZ_ASSERT(!is_made || strcmp(c.entry.callback_url, CALLBACK) == 0);
        FUZZ_ASSERT(!is_made || answer->http_status / 100 == 2);
        if (is_made)
            check_request(api->delete (&credentials, c.entry.id, fuzz_arena(), &request, NULL),
                          &request);
        if (is_made && api->activate != NULL)
            check_request(api->activate(&credentials, c.entry.id, fuzz_arena(), &request, NULL),
                          &request);
    }
    created_done(&c);
}

static void check_create_request(const struct provider_api *api, const char *text)
{
    struct provider_request request;
    const char *events[] = {text};
    struct wanted wanted = {.enabled_events = events, .enabled_events_len = 1};
    (void)specification_set(&wanted.specification, "maesn", "acme-42", text, text);
    check_request(api->create(&credentials, &wanted, text, fuzz_arena(), &request, NULL), &request);
    check_request(api->delete (&credentials, text, fuzz_arena(), &request, NULL), &request);
}

static bool begins_with(struct bytes line, const char *word)
{
    size_t len = strlen(word);
    return line.len >= len && memcmp(line.data, word, len) == 0;
}

static int status_of(struct bytes line)
{
    int status = 0;
    for (size_t i = 0; i < line.len && status < 1000; i++)
        if (line.data[i] >= '0' && line.data[i] <= '9')
            status = status * 10 + (line.data[i] - '0');
    return status;
}

void fuzz_one(struct bytes input)
{
    struct bytes line = fuzz_line(&input), next = input;
    const struct provider *p =
        providers_find(begins_with(line, "moneybird") ? "moneybird" : "maesn");
    const uint8_t *end = input.len == 0 ? NULL : memmem(input.data, input.len, "\n---\n", 5);
    if (end != NULL) {
        size_t len = (size_t)(end - input.data);
        next = bytes_of(end + 5, input.len - len - 5);
        input.len = len;
    }
    int status = status_of(line);
    enum provider_reach reach = status == 0   ? PROVIDER_UNANSWERED
                                : status == 1 ? PROVIDER_UNSENT
                                              : PROVIDER_ANSWERED;
    credentials.provider = p->name;
    struct provider_answer answer = {reach, reach == PROVIDER_ANSWERED ? status : 0, input};
    struct provider_answer second = {PROVIDER_ANSWERED, 200, next};
    struct provider_outcome outcome = {0};
    check_list(p->api, &answer, &second);
    check_create(p->api, &answer);
    p->api->read_change(&credentials, &answer, &outcome);
    check_outcome(&outcome);
    FUZZ_ASSERT(outcome.verdict != VERDICT_OK || status / 100 == 2);
    check_create_request(p->api,
                         fuzz_text(bytes_of(input.data, input.len > 2000 ? 2000 : input.len)));
}
