/* An intruder in a running program, by LD_PRELOAD: a thread that does what the file $INTRUDER_ACT
 * says, "NUMBER ACT ARGUMENT", each time that the number has grown, and tells what came of it on
 * stderr as one more log line. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/memory_search.h"

static int execute(const char *path)
{
    char *const arguments[] = {strdup(path), NULL};
    return execv(path, arguments);
}

static int trace(const char *unused)
{
    (void)unused;
    return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int bind_port(const char *unused)
{
    (void)unused;
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return bind(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&any, sizeof(any));
}

static int listen_unbound(const char *unused)
{
    (void)unused;
    return listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static int change_directory(const char *path)
{
    return chdir(path);
}

static int read_file(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int write_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

/* Looks for what these hex digits stand for, see memory_search.h, and tells where it is. */
static int search_memory(const char *masked)
{
    static uint8_t bytes[128];
    struct memory_finds finds;
    size_t len = strlen(masked) / 2;
    if (len > sizeof(bytes))
        return -1;
    for (size_t i = 0; i < len; i++)
        if (sscanf(masked + 2 * i, "%2hhx", &bytes[i]) != 1)
            return -1;
    if (!memory_search(bytes, len, &finds))
        return -1;
    dprintf(2, "{\"event\":\"intruder.searched\",\"kept\":%zu,\"elsewhere\":%zu}\n", finds.kept,
            finds.elsewhere);
    return 0;
}

static const struct {
    const char *name;
    int (*act)(const char *argument);
} acts[] = {
    {"execute", execute},        {"trace", trace},          {"bind", bind_port},
    {"read", read_file},         {"write", write_file},     {"listen", listen_unbound},
    {"chdir", change_directory}, {"search", search_memory},
};

/* Returns the act's number. */
static int read_act(char name[16], char argument[256])
{
    int number = 0;
    FILE *file = fopen(getenv("INTRUDER_ACT"), "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d %15s %255s", &number, name, argument) < 2)
        number = 0;
    fclose(file);
    return number;
}

static void *act_as_told(void *unused)
{
    (void)unused;
    for (int done = 0;; poll(NULL, 0, 20)) {
        char name[16] = "", argument[256] = "";
        int number = read_act(name, argument);
        for (size_t i = 0; number > done && i < sizeof(acts) / sizeof(acts[0]); i++) {
            if (strcmp(acts[i].name, name) != 0)
                continue;
            int error = acts[i].act(argument) < 0 ? errno : 0;
            dprintf(2, "{\"event\":\"intruder.acted\",\"errno\":%d}\n", error);
            done = number;
        }
    }
    return NULL;
}

static void intrude(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are not for this thread */
    if (pthread_create(&thread, NULL, act_as_told, NULL) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Only when the program listens is it as it will be: a thread from before is not confined to the
 * program's files. */
int listen(int fd, int backlog)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, intrude);
    return (int)syscall(SYS_listen, fd, backlog);
}
