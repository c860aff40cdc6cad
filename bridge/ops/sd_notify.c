#include "bridge/ops/sd_notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge/base/clock.h"

/* Returns the address's length, 0 when $NOTIFY_SOCKET names none that is understood. */
static socklen_t manager_address(struct sockaddr_un *ret)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);
    if (len < 2 || (path[0] != '/' && path[0] != '@') || len >= sizeof(ret->sun_path))
        return 0;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, len);
    if (path[0] == '@') /* the abstract namespace: its names begin with a NUL and end with none */
        ret->sun_path[0] = '\0';
    else
        len++;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void notify(const char *text)
{
    struct sockaddr_un address;
    socklen_t address_len = manager_address(&address);
    if (address_len == 0)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          address_len);
    (void)sent;
    close(fd);
}

void sd_notify_ready(void)
{
    notify("READY=1");
}

void sd_notify_status(const char *format, ...)
{
    char text[256] = "STATUS=";
    size_t head = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + head, sizeof(text) - head, format, args);
    va_end(args);
    for (char *c = text + head; *c != '\0'; c++)
        if (*c == '\n') /* what follows would be another assignment */
            *c = ' ';
    notify(text);
}

void sd_notify_reloading(void)
{
    char text[64];
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
    notify(text);
}

void sd_notify_stopping(int64_t within_ms)
{
    char text[64];
    snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, within_ms * 1000);
    notify(text);
}

void sd_notify_watchdog(void)
{
    notify("WATCHDOG=1");
}

/* 0 when the variable is not set, or is no number. */
static int64_t number_from_environment(const char *name)
{
    const char *text = getenv(name);
    int64_t number = 0;
    for (; text != NULL && *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > INT64_MAX / 10 - 1)
            return 0;
        number = number * 10 + (*text - '0');
    }
    return number;
}

int64_t sd_notify_watchdog_ms(void)
{
    /* Set for another process: we inherited the environment. */
    if (getenv("WATCHDOG_PID") != NULL && number_from_environment("WATCHDOG_PID") != getpid())
        return 0;
    return number_from_environment("WATCHDOG_USEC") / 1000;
}
