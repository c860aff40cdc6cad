#include "bridge/dev/workspace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"

static struct workspace_options sample(void)
{
    return (struct workspace_options){.bootstrap = "127.0.0.1:9092",
                                      .port = 8080,
                                      .tenants = tenants,
                                      .tenants_len = tenants_len,
                                      .api_key = "api-key"};
}

static struct workspace *make(void)
{
    const struct workspace_options opt = sample();
    struct diag diag = {{0}};
    struct workspace *w = NULL;
    assert_int_equal(workspace_new(&opt, &w, &diag), STATUS_OK);
    return w;
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void nobody_else_can_read_it(void **state)
{
    (void)state;
    struct workspace *w = make();
    assert_mode(workspace_directory(w), 0700);
    assert_mode(workspace_settings_file(w), 0600);
    assert_mode(workspace_log_file(w), 0600);
    for (size_t i = 0; i < tenants_len; i++)
        assert_mode(workspace_secret_file(w, i), 0600);
    workspace_free(w);
}

static void accounts_are_declared_with_a_key_in_a_file_each(void **state)
{
    (void)state;
    static const struct workspace_account accounts[] = {
        {"maple-media", "system: xero, subscriptions: all", "key-1"},
        {"pine-press", "provider: moneybird, company_id: \"123\", subscriptions: all", "key-2"}};
    struct workspace_options opt = sample();
    opt.accounts = accounts;
    opt.accounts_len = 2;
    struct workspace *w = NULL;
    assert_int_equal(workspace_new(&opt, &w, NULL), STATUS_OK);
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(file_read(workspace_accounts_file(w), &b, NULL), STATUS_OK);
    assert_string_equal(buf_text(&b),
                        "accounts:\n"
                        "  - { id: maple-media, account_key_file: ../secrets/maple-media, "
                        "system: xero, subscriptions: all }\n"
                        "  - { id: pine-press, account_key_file: ../secrets/pine-press, "
                        "provider: moneybird, company_id: \"123\", subscriptions: all }\n");
    char path[512];
    snprintf(path, sizeof(path), "%s/secrets/pine-press", workspace_directory(w));
    assert_mode(path, 0600);
    b.len = 0;
    assert_int_equal(file_read(path, &b, NULL), STATUS_OK);
    assert_string_equal(buf_text(&b), "key-2");
    workspace_free(w);
    assert_int_equal(access(path, F_OK), -1);
}

static void secrets_are_fresh_and_stand_in_their_files(void **state)
{
    (void)state;
    struct workspace *w = make();
    for (size_t i = 0; i < tenants_len; i++) {
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, 1024);
        assert_int_equal(file_read(workspace_secret_file(w, i), &b, NULL), STATUS_OK);
        assert_int_equal(b.len, 64);
        assert_true(bytes_equal(buf_bytes(&b), secret_bytes(workspace_secrets(w)[i])));
        for (size_t j = 0; j < i; j++)
            assert_false(bytes_equal(buf_bytes(&b), secret_bytes(workspace_secrets(w)[j])));
    }
    workspace_free(w);
}

static void nothing_is_left_of_it(void **state)
{
    (void)state;
    struct workspace *w = make();
    char directory[1024];
    snprintf(directory, sizeof(directory), "%s", workspace_directory(w));
    workspace_free(w);
    assert_int_equal(access(directory, F_OK), -1);
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    const struct workspace_options opt = sample();
    struct diag diag = {{0}};
    struct workspace *w = NULL;
    setenv("TMPDIR", "/nonexistent", 1);
    assert_int_equal(workspace_new(&opt, &w, &diag), STATUS_UNAVAILABLE);
    unsetenv("TMPDIR");
    assert_null(w);
    const char *const start = "cannot make /nonexistent/maesn-bridge-dev.";
    assert_memory_equal(diag.text, start, strlen(start)); /* six letters are the system's choice */
    assert_string_equal(diag.text + strlen(start) + 6, ": No such file or directory");
}

static int start_crypto(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_else_can_read_it),
        cmocka_unit_test(accounts_are_declared_with_a_key_in_a_file_each),
        cmocka_unit_test(secrets_are_fresh_and_stand_in_their_files),
        cmocka_unit_test(nothing_is_left_of_it),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
