/* Declared accounts, checked by the providers there are: a place and a reason for everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/app/configuration.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static const char bridge_yaml[] =
    "kafka: {brokers: \"a:1\"}\n"
    "topics: {registry: \"\"}\n"
    "maesn: {api_key_file: key, integrations: {weclapp: {resource: required, event_type: "
    "required},\n"
    "                                          sage: {resources: [INVOICE]}}}\n";

static const char accounts_yaml[] =
    "accounts:\n"
    "  - {id: a, system: freshbooks, account_key_file: key, subscriptions: all}\n"
    "  - id: b\n"
    "    system: exact-nl\n"
    "    account_key_file: key\n"
    "    subscriptions:\n"
    "      - resource: INVOICE\n"
    "        events: [CREATED]\n"
    "      - {resource: INVOCE}\n"
    "  - {id: c, system: sage, account_key_file: key, subscriptions: all}\n"
    "  - id: d\n"
    "    provider: moneybird\n"
    "    account_key_file: key\n"
    "    subscriptions: all\n"
    "    events_raw: [contact_creatd, contact]\n"
    "  - id: e\n"
    "    system: weclapp\n"
    "    account_key_file: key\n"
    "    subscriptions: [{resource: INVOICE, events: [UPDATED, REVOKED]}]\n"
    "  - {id: f, system: sagee, account_key_file: key, subscriptions: all}\n";

static void a_combination_that_no_provider_takes_is_told_with_its_place_and_reason(void **state)
{
    (void)state;
    char directory[] = "/tmp/declared-accounts-test.XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(mkdir("accounts.d", 0700), 0);
    write_file("bridge.yaml", bridge_yaml);
    write_file("key", "k");
    write_file("accounts.d/key", "k");
    write_file("accounts.d/a.yaml", accounts_yaml);

    CLEANUP(configuration_done) struct configuration configuration;
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(buf_done) struct buf text;
    problems_init(&problems);
    buf_init(&text, 65536);
    assert_int_equal(configuration_load("bridge.yaml", SETTINGS_ALL, &configuration, &problems),
                     STATUS_INVALID);
    problems_print(&problems, &text);
    assert_string_equal(
        buf_text(&text),
        "accounts.d/a.yaml:2:5: accounts[0].company_id: missing, freshbooks cannot do without\n"
        "accounts.d/a.yaml:3:5: warning: accounts[1].company_id: missing, exact-nl needs it unless "
        "the end user has chosen one\n"
        "accounts.d/a.yaml:8:18: accounts[1].subscriptions[0].events: CREATED, expected it left "
        "out: a subscription to exact-nl names no event, and is for all\n"
        "accounts.d/a.yaml:9:20: accounts[1].subscriptions[1].resource: INVOCE, expected one of "
        "ACCOUNT, BANK_ACCOUNT, BILL, CONTACT, EXPENSE, INVOICE, JOURNAL_ENTRY, PAYMENT (did you "
        "mean \"INVOICE\"?)\n"
        "accounts.d/a.yaml:11:5: accounts[3].company_id: missing, expected the administration's "
        "id\n"
        "accounts.d/a.yaml:15:18: warning: accounts[3].events_raw: contact_creatd is none of the "
        "343 events known here (did you mean \"contact_created\"?)\n"
        "accounts.d/a.yaml:15:34: accounts[3].events_raw: contact is a group, expected the names "
        "of its events\n"
        "accounts.d/a.yaml:19:59: accounts[4].subscriptions[0].events: REVOKED, expected one of "
        "CREATED, DELETED, UPDATED\n"
        "accounts.d/a.yaml:20:21: accounts[5].system: sagee, expected a system that maesn knows\n");

    assert_int_equal(unlink("accounts.d/a.yaml"), 0);
    assert_int_equal(unlink("accounts.d/key"), 0);
    assert_int_equal(rmdir("accounts.d"), 0);
    assert_int_equal(unlink("key"), 0);
    assert_int_equal(unlink("bridge.yaml"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_combination_that_no_provider_takes_is_told_with_its_place_and_reason),
    };
    return crypto_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
