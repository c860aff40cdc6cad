#include "bridge/registry/route_record.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"
#include "tests/support/alloc_fail.h"

#define NAMES                                                                                      \
    "\"provider\":\"maesn\",\"account\":\"acme-42\",\"resource\":\"journal-entry\","               \
    "\"event\":\"created\",\"generation_unix_ms\":1795293215356,"

static const char full_json[] =
    "{\"version\":1,\"state\":\"retiring\"," NAMES "\"origin\":\"adopted\",\"system\":\"xero\","
    "\"company_id\":\"123\",\"environment_name\":\"Pr\xc3\xb3"
    "d \\\"1\\\"\","
    "\"public_base_url\":\"https://hooks.example.com\",\"provider_id\":\"433546265874957401\","
    "\"secret\":\"s3cr3t\",\"token\":\"t0k3n\",\"created_at_unix_ms\":1795293215999,"
    "\"subscribed_since_unix_ms\":1795293215000,"
    "\"expires_at_unix_ms\":1826829215999,\"delete_after_unix_ms\":3,\"gone_after_unix_ms\":4,"
    "\"undesired_since_unix_ms\":5,\"missing_since_unix_ms\":9223372036854775807}";

static const char least_json[] =
    "{\"version\":1,\"state\":\"pending\"," NAMES "\"origin\":\"created\",\"system\":\"xero\"}";

static struct route_record least(void)
{
    struct route_record r = {
        .url.generation_unix_ms = 1795293215356,
        .system = "xero",
    };
    assert_true(
        specification_set(&r.url.specification, "maesn", "acme-42", "JOURNAL_ENTRY", "CREATED"));
    return r;
}

static struct route_record full(void)
{
    struct route_record r = least();
    r.state = ROUTE_RETIRING;
    r.origin = ROUTE_ORIGIN_ADOPTED;
    r.company_id = "123";
    r.environment_name = "Pr\xc3\xb3"
                         "d \"1\"";
    r.public_base_url = "https://hooks.example.com";
    r.provider_id = "433546265874957401";
    r.secret = "s3cr3t";
    r.token = "t0k3n";
    r.created_at_unix_ms = 1795293215999;
    r.subscribed_since_unix_ms = 1795293215000;
    r.expires_at_unix_ms = 1826829215999;
    r.delete_after_unix_ms = 3;
    r.gone_after_unix_ms = 4;
    r.undesired_since_unix_ms = 5;
    r.missing_since_unix_ms = INT64_MAX;
    return r;
}

static struct route_record *read_record(const char *json)
{
    struct route_record *r = NULL;
    struct diag diag = {0};
    if (route_record_read(bytes_of_text(json), &r, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    return r;
}

static void assert_writes(const struct route_record *r, const char *json)
{
    CLEANUP(buf_wipe_done) struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(route_record_write(r, &text), STATUS_OK);
    assert_string_equal(buf_text(&text), json);
}

static void a_record_is_written_in_one_form_and_read_back(void **state)
{
    (void)state;
    const struct {
        struct route_record record;
        const char *json;
    } rows[] = {{full(), full_json}, {least(), least_json}};
    for (size_t i = 0; i < 2; i++) {
        assert_writes(&rows[i].record, rows[i].json);
        struct route_record *r = read_record(rows[i].json);
        assert_true(route_record_equal(r, &rows[i].record));
        assert_writes(r, rows[i].json);
        route_record_free(r);
    }
    struct route_record *r = read_record(full_json);
    assert_string_equal(r->environment_name, "Pr\xc3\xb3"
                                             "d \"1\"");
    assert_string_equal(r->secret, "s3cr3t");
    assert_int_equal(r->state, ROUTE_RETIRING);
    assert_int_equal(r->missing_since_unix_ms, INT64_MAX);
    route_record_free(r);
}

static void every_state_and_origin_has_its_name(void **state)
{
    static const char *const states[] = {"pending", "active", "retiring", "retired"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct route_record r = least();
        r.state = (enum route_state)i;
        assert_string_equal(route_record_state_name(r.state), states[i]);
        char json[512];
        snprintf(json, sizeof(json),
                 "{\"version\":1,\"state\":\"%s\"," NAMES "\"origin\":\"created\","
                 "\"system\":\"xero\"}",
                 states[i]);
        assert_writes(&r, json);
        struct route_record *back = read_record(json);
        assert_int_equal(back->state, i);
        route_record_free(back);
    }
}

static void members_of_a_version_to_come_are_left_out(void **state)
{
    (void)state;
    struct route_record *r =
        read_record("{\"version\":1,\"hue\":{\"secret\":[1,2]},\"state\":\"pending\"," NAMES
                    "\"origin\":\"created\",\"system\":\"xero\",\"secret_2\":null}");
    assert_writes(r, least_json);
    route_record_free(r);
}

#define REST NAMES "\"origin\":\"created\",\"system\":\"xero\"}"
#define HEAD "{\"version\":1,\"state\":\"pending\","

static void what_is_no_record_of_this_version_is_refused_without_its_values(void **state)
{
    static const struct {
        const char *json, *diag;
    } rows[] = {
        {"", "route record: expected JSON"},
        {"{\"version\":1", "route record: expected JSON"},
        {HEAD REST "x", "route record: expected JSON"}, /* more behind it */
        {"{\"version\":1,\"version\":1,\"state\":\"pending\"," REST, "route record: expected JSON"},
        {"[]", "route record: version: expected 1"},
        {"{}", "route record: version: expected 1"},
        {"{\"version\":2,\"state\":\"pending\"," REST, "route record: version: expected 1"},
        {"{\"version\":0,\"state\":\"pending\"," REST, "route record: version: expected 1"},
        {"{\"version\":\"1\",\"state\":\"pending\"," REST, "route record: version: expected 1"},
        {"{\"version\":1.0,\"state\":\"pending\"," REST, "route record: version: expected 1"},
        {"{\"version\":1," REST, "route record: state: expected it to be there"},
        {"{\"version\":1,\"state\":\"asleep\"," REST,
         "route record: state: expected a name that this version knows"},
        {"{\"version\":1,\"state\":1," REST,
         "route record: state: expected a name that this version knows"},
        {HEAD NAMES "\"origin\":\"created\"}", "route record: system: expected it to be there"},
        {HEAD "\"secret\":7," REST, "route record: secret: expected a text"},
        {HEAD "\"secret\":null," REST, "route record: secret: expected a text"},
        {HEAD "\"secret\":\"a\\u0000b\"," REST, "route record: expected JSON"}, /* cut at a NUL */
        {HEAD "\"expires_at_unix_ms\":-1," REST,
         "route record: expires_at_unix_ms: expected milliseconds since 1970"},
        {HEAD "\"expires_at_unix_ms\":1.5," REST,
         "route record: expires_at_unix_ms: expected milliseconds since 1970"},
        {HEAD "\"expires_at_unix_ms\":9223372036854775808," REST, "route record: expected JSON"},
        {HEAD "\"provider\":\"maesn\",\"account\":\"acme-42\",\"resource\":\"all\","
              "\"event\":\"all\",\"origin\":\"created\",\"system\":\"xero\"}",
         "route record: generation_unix_ms: expected it to be there"},
        {HEAD "\"provider\":\"maesn\",\"account\":\"Acme\",\"resource\":\"all\",\"event\":\"all\","
              "\"generation_unix_ms\":1,\"origin\":\"created\",\"system\":\"xero\"}",
         "route record: its names and generation make no path"},
        {HEAD "\"provider\":\"maesn\",\"account\":\"a\",\"resource\":\"all\",\"event\":\"all\","
              "\"generation_unix_ms\":0,\"origin\":\"created\",\"system\":\"xero\"}",
         "route record: generation_unix_ms: expected milliseconds since 1970"},
        {HEAD "\"provider\":\"a-provider-with-a-name-too-long-\",\"account\":\"a\","
              "\"resource\":\"all\",\"event\":\"all\",\"generation_unix_ms\":1,"
              "\"origin\":\"created\",\"system\":\"xero\"}",
         "route record: provider: expected a text that fits"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_record *r = NULL;
        struct diag diag = {0};
        assert_int_equal(route_record_read(bytes_of_text(rows[i].json), &r, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].diag);
        assert_null(r);
    }
}

static void a_text_that_would_be_written_as_another_is_refused(void **state)
{
    (void)state;
    struct route_record r = least();
    r.secret = "not \xff text";
    CLEANUP(buf_wipe_done) struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(route_record_write(&r, &text), STATUS_INVALID);
    assert_int_equal(text.len, 0);
    CLEANUP(buf_wipe_done) struct buf narrow;
    r.secret = "text";
    buf_init(&narrow, 100);
    assert_int_equal(route_record_write(&r, &narrow), STATUS_INVALID);
}

static void a_copy_holds_its_own_texts(void **state)
{
    (void)state;
    char secret[] = "s3cr3t";
    struct route_record r = full();
    r.secret = secret;
    struct route_record *copy = route_record_copy(&r);
    assert_non_null(copy);
    secret[0] = '?';
    assert_writes(copy, full_json);
    copy->secret = "borrowed"; /* a text may be replaced */
    copy->state = ROUTE_RETIRED;
    route_record_free(copy);
    route_record_free(NULL);
}

static void any_member_makes_a_difference(void **state)
{
    (void)state;
    struct route_record others[17];
    const struct route_record r = full();
    for (size_t i = 0; i < 17; i++)
        others[i] = r;
    others[0].url.generation_unix_ms++;
    others[1].url.specification.event[0] = 'x';
    others[2].state = ROUTE_RETIRED;
    others[3].origin = ROUTE_ORIGIN_CREATED;
    others[4].system = "exact-nl";
    others[5].company_id = NULL;
    others[6].environment_name = "";
    others[7].public_base_url = "https://hooks.example.co";
    others[8].provider_id = "433546265874957402";
    others[9].secret = "s3cr3T";
    others[10].token = NULL;
    others[11].created_at_unix_ms = 0;
    others[12].delete_after_unix_ms++;
    others[13].gone_after_unix_ms++;
    others[14].undesired_since_unix_ms++;
    others[15].missing_since_unix_ms--;
    others[16].subscribed_since_unix_ms--;
    for (size_t i = 0; i < 17; i++) {
        assert_false(route_record_equal(&r, &others[i]));
        assert_false(route_record_equal(&others[i], &r));
        assert_true(route_record_equal(&others[i], &others[i]));
    }
}

/* jansson's lexer goes on without the characters it had no memory for, so it gets all of it at
 * once, or nothing. */
static void short_memory_never_makes_another_record(void **state)
{
    (void)state;
    bool failed = true;
    long n = 0;
    for (; failed; n++) {
        struct route_record *r = NULL;
        alloc_fail_at(n);
        enum status status = route_record_read(bytes_of_text(full_json), &r, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(r == NULL, failed);
        if (r != NULL)
            assert_writes(r, full_json);
        route_record_free(r);
    }
    assert_int_equal(n, 3); /* jansson's block, and the record's */

    failed = true;
    for (n = 0; failed; n++) {
        const struct route_record r = full();
        CLEANUP(buf_wipe_done) struct buf text;
        buf_init(&text, 4096);
        alloc_fail_at(n);
        struct route_record *copy = route_record_copy(&r);
        enum status status = route_record_write(&r, &text);
        failed = alloc_fail_end();
        assert_int_equal(copy == NULL || status == STATUS_NOMEM, failed);
        route_record_free(copy);
    }
}

/* How often the text stands in the heap, freed blocks included. The copy it looks through is none
 * of the heap's. */
static size_t count_in_heap(const char *text)
{
    unsigned long begin = 0, end = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (end == 0 && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, "[heap]") != NULL)
            assert_int_equal(sscanf(line, "%lx-%lx", &begin, &end), 2);
    fclose(maps);
    size_t len = end - begin, found = 0;
    if (len == 0) /* a sanitizer has its own heap */
        return 0;
    uint8_t *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int memory = open("/proc/self/mem", O_RDONLY);
    assert_true(copy != MAP_FAILED && memory >= 0);
    assert_int_equal(pread(memory, copy, len, (off_t)begin), len);
    close(memory);
    const uint8_t *at = copy;
    while ((at = memmem(at, len - (size_t)(at - copy), text, strlen(text))) != NULL) {
        found++;
        at++;
    }
    munmap(copy, len);
    return found;
}

static void a_secret_leaves_no_trace_in_the_heap(void **state)
{
    (void)state;
    char secret[65], json[512];
    for (size_t i = 0; i < 64; i++) /* text that nothing else has: jansson keeps it whole */
        secret[i] = (char)('a' + i * i * 7 % 23);
    secret[64] = '\0';
    snprintf(json, sizeof(json), HEAD "\"secret\":\"%s\"," REST, secret);
    struct route_record *r = read_record(json);
    struct route_record *copy = route_record_copy(r);
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(buf_reserve(&text, 4096), STATUS_OK);
    assert_int_equal(route_record_write(copy, &text), STATUS_OK);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_int_equal(count_in_heap(secret), 3); /* the two records, the JSON */
#endif
    route_record_free(r);
    route_record_free(copy);
    buf_wipe_done(&text);
    assert_int_equal(count_in_heap(secret), 0);
    secret[32] = '\0';
    assert_int_equal(count_in_heap(secret), 0); /* nor half of it, where a block was used again */
}

static int start(void **state)
{
    (void)state;
    record_form_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_written_in_one_form_and_read_back),
        cmocka_unit_test(every_state_and_origin_has_its_name),
        cmocka_unit_test(members_of_a_version_to_come_are_left_out),
        cmocka_unit_test(what_is_no_record_of_this_version_is_refused_without_its_values),
        cmocka_unit_test(a_text_that_would_be_written_as_another_is_refused),
        cmocka_unit_test(a_copy_holds_its_own_texts),
        cmocka_unit_test(any_member_makes_a_difference),
        cmocka_unit_test(short_memory_never_makes_another_record),
        cmocka_unit_test(a_secret_leaves_no_trace_in_the_heap),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
