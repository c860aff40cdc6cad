#include "bridge/sandbox/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* root/readable with a file and, in it, a directory; root/spool; root/other with a file. */
static char root[] = "/tmp/bridge-landlock-XXXXXX";

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(chdir(root), 0);
    assert_int_equal(mkdir("readable", 0700), 0);
    assert_int_equal(mkdir("readable/deeper", 0700), 0);
    assert_int_equal(mkdir("spool", 0700), 0);
    assert_int_equal(mkdir("other", 0700), 0);
    write_file("readable/deeper/file", "text");
    write_file("other/file", "text");
    assert_int_equal(symlink("../other/file", "readable/link"), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *const files[] = {"readable/deeper/file", "readable/link", "other/file",
                                 "spool/file",           "spool/renamed", "readable/moved"};
    const char *const directories[] = {"readable/deeper", "readable", "spool", "other"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(files[i]);
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        rmdir(directories[i]);
    assert_int_equal(chdir("/"), 0);
    return rmdir(root);
}

/* --- in a child ----------------------------------------------------------------------------- */

/* Only the two directories from now on. Tells why not, since a test must not pass without. */
static void confine(void)
{
    struct landlock l;
    struct diag diag = {0};
    enum status status = landlock_init(&l, &diag);
    if (status == STATUS_OK)
        status = landlock_let_read(&l, "readable", &diag);
    if (status == STATUS_OK)
        status = landlock_let_read(&l, "not-there", &diag);
    if (status == STATUS_OK)
        status = landlock_let_write(&l, "spool", &diag);
    if (status == STATUS_OK)
        status = landlock_enforce(&l, &diag);
    landlock_done(&l);
    if (status != STATUS_OK) {
        fprintf(stderr, "not confined: %s\n", diag.text);
        _exit(100);
    }
}

/* How it is opened and what comes of it: 0 or errno. */
struct opening {
    const char *path;
    int flags;
    int expected;
};

static int opened(const struct opening *o)
{
    int fd = open(o->path, o->flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int check_openings(void)
{
    static const struct opening openings[] = {
        {"readable/deeper/file", O_RDONLY, 0},
        {"readable", O_RDONLY | O_DIRECTORY, 0},
        {"readable/deeper/file", O_RDWR, EACCES},
        {"readable/new", O_WRONLY | O_CREAT, EACCES},
        {"readable/link", O_RDONLY, EACCES}, /* what it leads to counts */
        {"other/file", O_RDONLY, EACCES},
        {"other/file", O_WRONLY, EACCES},
        {"other/file", O_RDONLY | O_TRUNC, EACCES},
        {"other/new", O_WRONLY | O_CREAT, EACCES},
        {"other", O_RDONLY | O_DIRECTORY, EACCES},
        {"/etc/passwd", O_RDONLY, EACCES},
        {"/dev/null", O_WRONLY, EACCES},
        {"spool/file", O_RDWR | O_CREAT, 0},
        {"spool/file", O_WRONLY | O_TRUNC, 0},
        {"spool", O_RDONLY | O_DIRECTORY, 0},
    };
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        int error = opened(&openings[i]);
        if (error != openings[i].expected) {
            fprintf(stderr, "%s: %s\n", openings[i].path, strerror(error));
            return 1 + (int)i;
        }
    }
    return 0;
}

static int check_moves(void)
{
    if (rename("spool/file", "spool/renamed") != 0)
        return 1;
    if (rename("spool/renamed", "readable/moved") == 0 || rename("other/file", "spool/file") == 0)
        return 2;
    if (unlink("other/file") == 0 || unlink("readable/link") == 0 || unlink("spool/renamed") != 0)
        return 3;
    return mkdir("spool/directory", 0700) == 0 || symlink("x", "spool/link") == 0 ? 4 : 0;
}

static int check_execution(void)
{
    char name[] = "true";
    char *const arguments[] = {name, NULL};
    execv("/bin/true", arguments);
    return errno == EACCES ? 0 : 1;
}

static int check_what_was_open(void)
{
    int before = open("other/file", O_RDWR | O_CLOEXEC);
    confine();
    return before >= 0 && write(before, "text", 4) == 4 ? 0 : 1;
}

static int in_child(int (*check)(void), bool confined)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (confined)
            confine();
        _exit(check());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void only_the_named_files_can_be_opened_and_only_as_named(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_openings, true), 0);
}

static void files_are_renamed_and_removed_in_the_writable_directory_alone(void **state)
{
    (void)state;
    write_file("spool/file", "text");
    assert_int_equal(in_child(check_moves, true), 0);
}

static void nothing_can_be_executed(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_execution, true), 0);
}

static void what_was_open_before_stays_open(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_what_was_open, false), 0);
}

static void a_kernel_without_it_says_so(void **state)
{
    (void)state;
    struct landlock l;
    struct diag diag = {0};
    assert_int_equal(landlock_init(&l, &diag),
                     landlock_abi() == 0 ? STATUS_UNAVAILABLE : STATUS_OK);
    assert_int_equal(diag.text[0] == '\0', landlock_abi() > 0);
    landlock_done(&l);
}

/* Since then it refuses to cut files, too (Linux 6.2). */
enum { VERSION_WANTED = 3 };

int main(void)
{
    if (landlock_abi() < VERSION_WANTED) {
        fprintf(stderr, "LEFT OUT: what Landlock refuses: this kernel's is version %d, not %d\n",
                landlock_abi(), VERSION_WANTED);
        const struct CMUnitTest without[] = {cmocka_unit_test(a_kernel_without_it_says_so)};
        return cmocka_run_group_tests(without, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_without_it_says_so),
        cmocka_unit_test(only_the_named_files_can_be_opened_and_only_as_named),
        cmocka_unit_test(files_are_renamed_and_removed_in_the_writable_directory_alone),
        cmocka_unit_test(nothing_can_be_executed),
        cmocka_unit_test(what_was_open_before_stays_open),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
