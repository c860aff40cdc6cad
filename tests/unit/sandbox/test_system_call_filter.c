#include "bridge/sandbox/system_call_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

static const unsigned every_use = SYSTEM_CALL_USE_SPOOL | SYSTEM_CALL_USE_RECONCILER;

/* What a child says with its exit code. */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_REFUSED = 1,
    OUTCOME_OTHER_ERROR = 2,
    OUTCOME_NO_SANDBOX = 3
};

/* Runs act in a confined child; returns its wait status. */
static int in_sandbox(enum outcome (*act)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (system_call_filter_enforce(every_use, NULL) != STATUS_OK)
            _exit(OUTCOME_NO_SANDBOX);
        _exit(act());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static enum outcome outcome_of(bool is_done)
{
    return is_done ? OUTCOME_DONE : errno == ENOSYS ? OUTCOME_REFUSED : OUTCOME_OTHER_ERROR;
}

/* --- what ends the process ------------------------------------------------------------------ */

static enum outcome execute(void)
{
    char name[] = "true";
    char *const arguments[] = {name, NULL};
    return outcome_of(execv("/bin/true", arguments) == 0);
}

static enum outcome fork_itself(void)
{
    return outcome_of(fork() >= 0);
}

static enum outcome start_a_process_without_fork(void)
{
    return outcome_of(vfork() >= 0);
}

static enum outcome trace(void)
{
    return outcome_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0);
}

static enum outcome read_the_parents_memory(void)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {&byte, 1};
    return outcome_of(process_vm_readv(getppid(), &local, 1, &remote, 1, 0) == 1);
}

static enum outcome bind_to_a_port(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return outcome_of(bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0);
}

static enum outcome listen_somewhere(void)
{
    return outcome_of(listen(socket(AF_INET6, SOCK_STREAM, 0), 1) == 0);
}

static enum outcome signal_the_parent(void)
{
    return outcome_of(kill(getppid(), 0) == 0);
}

static enum outcome make_a_program_in_memory(void)
{
    return outcome_of(memfd_create("program", 0) >= 0);
}

static enum outcome enter_a_namespace(void)
{
    return outcome_of(unshare(CLONE_NEWUSER) == 0);
}

static void what_only_an_intruder_asks_for_ends_the_process(void **state)
{
    (void)state;
    enum outcome (*const acts[])(void) = {
        execute,
        fork_itself,
        trace,
        start_a_process_without_fork,
        bind_to_a_port,
        read_the_parents_memory,
        listen_somewhere,
        signal_the_parent,
        enter_a_namespace,
        make_a_program_in_memory,
    };
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        int status = in_sandbox(acts[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("act %zu: wait status %#x", i, (unsigned)status);
    }
}

/* --- what does not exist -------------------------------------------------------------------- */

static enum outcome map_writable_code(void)
{
    return outcome_of(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static enum outcome make_written_memory_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return outcome_of(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
}

static enum outcome open_a_raw_socket(void)
{
    return outcome_of(socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static enum outcome change_directory(void)
{
    return outcome_of(chdir("/") == 0);
}

static enum outcome link_files(void)
{
    return outcome_of(symlink("/etc/passwd", "bridge-sandbox-link") == 0);
}

static enum outcome become_another_user(void)
{
    return outcome_of(syscall(SYS_setuid, 0) == 0);
}

static enum outcome talk_to_a_device(void)
{
    return outcome_of(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x") == 0);
}

static void what_is_not_needed_does_not_exist(void **state)
{
    (void)state;
    enum outcome (*const acts[])(void) = {
        map_writable_code, make_written_memory_code, open_a_raw_socket, change_directory,
        link_files,        become_another_user,      talk_to_a_device,
    };
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        int status = in_sandbox(acts[i]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != OUTCOME_REFUSED)
            fail_msg("act %zu: wait status %#x", i, (unsigned)status);
    }
}

/* --- what goes on --------------------------------------------------------------------------- */

static void *add_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return NULL;
}

static enum outcome start_threads(void)
{
    atomic_int sum = 0;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, add_one, &sum) != 0)
            return OUTCOME_OTHER_ERROR;
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return atomic_load(&sum) == 4 ? OUTCOME_DONE : OUTCOME_OTHER_ERROR;
}

static enum outcome look_up_a_name(void)
{
    const struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", "80", &hints, &found) != 0)
        return OUTCOME_OTHER_ERROR;
    freeaddrinfo(found);
    return OUTCOME_DONE;
}

static enum outcome read_a_file(void)
{
    char piece[64];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL || fread(piece, 1, sizeof(piece), file) == 0)
        return OUTCOME_OTHER_ERROR;
    return outcome_of(fclose(file) == 0);
}

static enum outcome use_much_memory(void)
{
    char *memory = calloc(1, 1 << 20);
    if (memory == NULL)
        return OUTCOME_OTHER_ERROR;
    char *more = realloc(memory, 64 << 20);
    if (more == NULL) {
        free(memory);
        return OUTCOME_OTHER_ERROR;
    }
    more[(64 << 20) - 1] = 1;
    free(more);
    return OUTCOME_DONE;
}

static enum outcome wait_a_little(void)
{
    return outcome_of(poll(NULL, 0, 1) == 0);
}

static void what_a_server_does_goes_on(void **state)
{
    (void)state;
    enum outcome (*const acts[])(void) = {start_threads, look_up_a_name, read_a_file,
                                          use_much_memory, wait_a_little};
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        int status = in_sandbox(acts[i]);
        if (status != 0)
            fail_msg("act %zu: wait status %#x", i, (unsigned)status);
    }
}

static enum outcome give_up(void)
{
    signal(SIGABRT, SIG_DFL); /* cmocka has a handler */
    abort();
}

static void a_failed_assertion_still_ends_with_its_own_signal(void **state)
{
    (void)state;
    int status = in_sandbox(give_up);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* --- threads -------------------------------------------------------------------------------- */

static atomic_bool may_execute;

static void *execute_when_told(void *arg)
{
    (void)arg;
    while (!atomic_load(&may_execute))
        poll(NULL, 0, 1);
    execute();
    _exit(OUTCOME_OTHER_ERROR);
}

static void threads_that_were_there_before_are_confined_too(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, execute_when_told, NULL) != 0 ||
            system_call_filter_enforce(every_use, NULL) != STATUS_OK)
            _exit(OUTCOME_NO_SANDBOX);
        atomic_store(&may_execute, true);
        pthread_join(thread, NULL);
        _exit(OUTCOME_DONE);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* --- watching ------------------------------------------------------------------------------- */

static int told_fd;

static void tell(const char *name)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "%s\n", name);
    if (write(told_fd, line, (size_t)len) != len)
        _exit(OUTCOME_OTHER_ERROR);
}

static enum outcome do_what_is_not_allowed(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is_done = chdir("/") == 0 && chdir("/") == 0 &&
                   bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
                   listen(fd, 1) == 0 && start_threads() == OUTCOME_DONE;
    return outcome_of(is_done);
}

static void watching_names_each_call_once_and_lets_it_happen(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        told_fd = fds[1];
        if (system_call_filter_watch(every_use, tell, NULL) != STATUS_OK)
            _exit(OUTCOME_NO_SANDBOX);
        _exit(do_what_is_not_allowed());
    }
    close(fds[1]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    char told[1024] = "";
    ssize_t len = read(fds[0], told, sizeof(told) - 1);
    assert_true(len > 0);
    close(fds[0]);
    assert_string_equal(told, "chdir\nbind\nlisten\n");
}

/* --- the size ------------------------------------------------------------------------------- */

static void at_most_60_system_calls_are_allowed(void **state)
{
    (void)state;
    const unsigned processes[] = {SYSTEM_CALL_USE_SPOOL, SYSTEM_CALL_USE_RECONCILER};
    for (size_t i = 0; i < 2; i++)
        assert_in_range(system_call_filter_allowed(processes[i]), 40, IS_SANITIZED ? 70 : 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_an_intruder_asks_for_ends_the_process),
        cmocka_unit_test(what_is_not_needed_does_not_exist),
        cmocka_unit_test(what_a_server_does_goes_on),
        cmocka_unit_test(a_failed_assertion_still_ends_with_its_own_signal),
        cmocka_unit_test(threads_that_were_there_before_are_confined_too),
        cmocka_unit_test(watching_names_each_call_once_and_lets_it_happen),
        cmocka_unit_test(at_most_60_system_calls_are_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
