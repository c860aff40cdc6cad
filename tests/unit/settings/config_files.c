#include "config_files.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/provider_api.h"

static bool maesn_knows(const char *system)
{
    return strcmp(system, "xero") == 0 || strcmp(system, "exact-nl") == 0;
}

static bool moneybird_knows(const char *system)
{
    return strcmp(system, "moneybird") == 0;
}

/* Refuses what is called BAD, and warns of a company of that name, at every place there is. */
static enum status expand(const struct account *account,
                          const struct integration_overrides *overrides, struct arena *a,
                          struct expansion *ret)
{
    (void)overrides;
    struct expansion_problem *p = arena_alloc(a, 16 * sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    size_t len = 0;
    if (account->company_id != NULL && strcmp(account->company_id, "BAD") == 0) {
        for (enum expansion_field field = EXPANSION_ACCOUNT; field < EXPANSION_RESOURCE; field++)
            p[len++] = (struct expansion_problem){true, field, 0, 0, "it is bad"};
        p[len++] = (struct expansion_problem){true, EXPANSION_EVENTS_RAW, 0, 1, "it is bad"};
    }
    for (size_t i = 0; i < account->subscriptions_len; i++) {
        const struct account_subscription *s = &account->subscriptions[i];
        if (strcmp(s->resource, "BAD") == 0)
            p[len++] = (struct expansion_problem){false, EXPANSION_RESOURCE, i, 0, "not good"};
        for (size_t n = 0; n < s->events_len; n++)
            if (strcmp(s->events[n], "BAD") == 0)
                p[len++] = (struct expansion_problem){false, EXPANSION_EVENTS, i, n, "not good"};
    }
    *ret = (struct expansion){.problems = p, .problems_len = len};
    return STATUS_OK;
}

static const struct provider_api api = {.expand = expand};
static const struct provider maesn = {.name = "maesn", .knows_system = maesn_knows, .api = &api};
static const struct provider moneybird = {
    .name = "moneybird", .knows_system = moneybird_knows, .probes_registration = true, .api = &api};

const struct provider *const config_providers[] = {&maesn, &moneybird, NULL};

struct place_of_test {
    char directory[64];
    char *before;
};

int config_files_setup(void **state)
{
    struct place_of_test *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    snprintf(place->directory, sizeof(place->directory), "/tmp/settings-test.XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    place->before = getcwd(NULL, 0);
    assert_non_null(place->before);
    assert_int_equal(chdir(place->directory), 0);
    *state = place;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

int config_files_teardown(void **state)
{
    struct place_of_test *place = *state;
    assert_int_equal(chdir(place->before), 0);
    assert_int_equal(nftw(place->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(place->before);
    free(place);
    return 0;
}

void config_file(const char *path, const char *text)
{
    char directory[256];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
        (void)mkdir(directory, 0700);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

char *config_problems(enum settings_process process)
{
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(buf_done) struct buf text;
    struct settings *s = NULL;
    problems_init(&problems);
    buf_init(&text, 1 << 20);
    enum status status =
        settings_load("bridge.yaml", process, config_providers, NULL, &s, &problems, NULL);
    problems_print(&problems, &text);
    assert_int_equal(status, problems.errors > 0 ? STATUS_INVALID : STATUS_OK);
    settings_free(s);
    char *copy = strdup(buf_text(&text));
    assert_non_null(copy);
    return copy;
}

struct settings *config_load(enum settings_process process)
{
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(buf_done) struct buf text;
    struct settings *s = NULL;
    problems_init(&problems);
    buf_init(&text, 1 << 20);
    enum status status =
        settings_load("bridge.yaml", process, config_providers, NULL, &s, &problems, NULL);
    problems_print(&problems, &text);
    if (status != STATUS_OK)
        fail_msg("%s", buf_text(&text));
    return s;
}
