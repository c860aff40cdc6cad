/* A file of accounts, or, behind a first line "routes", of routes: what is accepted is complete and
 * fit for where it goes. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/provider_api.h"
#include "bridge/domain/route_table.h"
#include "bridge/providers/providers.h"
#include "bridge/settings/settings.h"
#include "tests/fuzz/fuzz.h"

DEFINE_CLEANUP(struct settings *, settings_free)

void fuzz_start(void)
{
    fuzz_write("secrets/key", BYTES_LITERAL("a-secret\n"));
    fuzz_write("secrets/other", BYTES_LITERAL("another\n"));
    fuzz_write("secrets/empty", BYTES_LITERAL(""));
    fuzz_write("secrets/exposed", BYTES_LITERAL("a-secret\n"));
    fuzz_write("secrets/long", bytes_of(fuzz_alloc(SECRET_MAX + 1), SECRET_MAX + 1));
    fuzz_write("bridge.yaml",
               BYTES_LITERAL("kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\"}\n"
                             "routes_dir: routes.d\naccounts_dir: accounts.d\n"
                             "maesn: {api_key_file: secrets/key, integrations: {future: "
                             "{resources: [INVOICE, BILL], events: [CREATED], company_id: "
                             "required}}}\n"));
    /* Beside the input's file another one, and two that are none. */
    fuzz_write("accounts.d/b.yaml", BYTES_LITERAL("accounts: []"));
    fuzz_write("accounts.d/.c.yaml", BYTES_LITERAL("- never read"));
    fuzz_write("accounts.d/README", BYTES_LITERAL("- never read"));
    FUZZ_ASSERT(chdir(fuzz_directory()) == 0);
    FUZZ_ASSERT(chmod("secrets/exposed", 0644) == 0);
}

/* The same accounts from a file by itself: the same judgement. */
static void check_alone(const struct settings *of, size_t accounts_len)
{
    CLEANUP(settings_free_scoped) struct settings *alone = NULL;
    CLEANUP(problems_done) struct problems problems;
    problems_init(&problems);
    if (fuzz_is_nomem(
            settings_load_accounts(of, "accounts.d/a.yml", providers_all, &alone, &problems)))
        return;
    FUZZ_ASSERT(problems.errors == 0 && alone->accounts_len == accounts_len);
}

static bool is_name(const char *text, size_t max)
{
    size_t len = strlen(text);
    return len > 0 && len <= max && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void check_routes(const struct settings *s)
{
    struct route_table *table = NULL;
    for (size_t i = 0; i < s->routes_len; i++) {
        const struct route *r = s->routes[i];
        FUZZ_ASSERT(strncmp(r->path, "/in/", 4) == 0 && is_name(r->account, ACCOUNT_ID_MAX));
        FUZZ_ASSERT(r->provider != NULL && r->provider->knows_system(r->system));
        FUZZ_ASSERT(route_has_secret(r) || r->state == ROUTE_PENDING);
        FUZZ_ASSERT(r->specification[0] != '\0' && r->source[0] == '/');
    }
    /* No two have the same path. */
    if (fuzz_is_nomem(route_table_new(s->routes, s->routes_len, &table, NULL)))
        return;
    for (size_t i = 0; i < s->routes_len; i++)
        FUZZ_ASSERT(route_table_find(table, s->routes[i]->path) == s->routes[i]);
    route_table_free(table);
}

/* What it stands for is in order, and no specification comes twice. */
static void check_expansion(const struct settings *s, const struct account *account)
{
    struct expansion e;
    if (fuzz_is_nomem(
            account->provider->api->expand(account, &s->maesn_integrations, fuzz_arena(), &e)))
        return;
    FUZZ_ASSERT(e.errors == 0);
    for (size_t i = 0; i < e.wanted_len; i++) {
        struct specification read;
        char text[SPECIFICATION_TEXT_SIZE];
        specification_text(&e.wanted[i].specification, text);
        FUZZ_ASSERT(specification_parse(bytes_of_text(text), &read));
        FUZZ_ASSERT(strcmp(read.account, account->id) == 0);
        for (size_t k = 0; k < i; k++)
            FUZZ_ASSERT(!specification_equal(&read, &e.wanted[k].specification));
    }
}

static void check_accounts(const struct settings *s)
{
    for (size_t i = 0; i < s->accounts_len; i++) {
        const struct account *a = &s->accounts[i];
        FUZZ_ASSERT(is_name(a->id, ACCOUNT_ID_MAX) && a->line >= 1 && a->column >= 1);
        FUZZ_ASSERT(a->provider != NULL && a->account_key != NULL && a->system != NULL);
        for (size_t k = 0; k < i; k++)
            FUZZ_ASSERT(strcmp(a->id, s->accounts[k].id) != 0);
        check_expansion(s, a);
    }
}

void fuzz_one(struct bytes input)
{
    struct bytes rest = input, line = fuzz_line(&rest);
    bool is_routes = bytes_equal(line, BYTES_LITERAL("routes"));
    fuzz_write("routes.d/a.yaml", is_routes ? rest : BYTES_LITERAL(""));
    fuzz_write("accounts.d/a.yml", is_routes ? BYTES_LITERAL("accounts: []") : input);

    CLEANUP(settings_free_scoped) struct settings *s = NULL;
    CLEANUP(problems_done) struct problems problems;
    problems_init(&problems);
    enum status status =
        settings_load("bridge.yaml", SETTINGS_ALL, providers_all, NULL, &s, &problems, NULL);
    if (fuzz_is_nomem(status))
        return;
    FUZZ_ASSERT(status == (problems.errors > 0 ? STATUS_INVALID : STATUS_OK));
    bool is_told = input.len > 0 && memmem(input.data, input.len, "a-secret", 8) != NULL;
    for (size_t i = 0; i < problems.len && !is_told; i++)
        FUZZ_ASSERT(strstr(problems.items[i].text, "a-secret") == NULL);
    if (status == STATUS_OK) {
        check_routes(s);
        check_accounts(s);
        check_alone(s, s->accounts_len);
    }
}
