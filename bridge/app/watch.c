#include "bridge/app/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bridge/app/fingerprint.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"

/* What a directory's watch reports. IN_MODIFY is left out: a file that is being written is not
 * worth reading before IN_CLOSE_WRITE. */
static const uint32_t directory_mask = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM |
                                       IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                       IN_ONLYDIR;

/* A directory's own end; what is below it must be looked at anew. */
static const uint32_t lost_mask = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

/* Times in inodes come from the kernel's coarse clock, which is behind by a tick: 10 ms at 100 Hz.
 */
static const int64_t inode_time_lag_ms = 10;

/* Reads of 4 KiB in one call of watch_changed(); what is left comes with the next one. */
static const int reads_max = 64;

/* One path. It changes with its directory's entry of its name; and, when it is a directory, with
 * its own entries. */
struct watched {
    char *path;
    char *directory;
    const char *name;   /* in path */
    int directory_wd;   /* -1: not watched, only polled */
    int own_entries_wd; /* -1: no directory, or not watched */
};

struct watched_set {
    struct watched *items;
    size_t len;
};

struct watch {
    int epoll_fd;
    int timer_fd;
    int inotify_fd; /* replaced with the set, so that no watch of an older one remains */
    struct watched_set set;
    uint64_t fingerprint; /* as the set looked when a change was last told */
    int64_t poll_ms;
    int64_t poll_at_mono_ms;
    bool pending; /* something happened, and is told when it has settled: */
    int64_t first_mono_ms;
    int64_t last_mono_ms;
};

/* --- the set --------------------------------------------------------------------------------- */

static void set_done(struct watched_set *set)
{
    for (size_t i = 0; i < set->len; i++) {
        free(set->items[i].path);
        free(set->items[i].directory);
    }
    free(set->items);
    *set = (struct watched_set){0};
}

static bool watched_init(struct watched *item, const char *path)
{
    const char *slash = strrchr(path, '/');
    item->path = strdup(path);
    if (slash == NULL)
        item->directory = strdup(".");
    else
        item->directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (item->path == NULL || item->directory == NULL)
        return false;
    item->name = slash == NULL ? item->path : item->path + (slash - path) + 1;
    item->directory_wd = item->own_entries_wd = -1;
    return true;
}

static enum status set_init(struct watched_set *set, const char *const paths[], size_t paths_len)
{
    *set = (struct watched_set){.items = calloc(paths_len + 1, sizeof(*set->items))};
    if (set->items == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < paths_len; i++) {
        set->len++;
        if (!watched_init(&set->items[i], paths[i])) {
            set_done(set);
            return STATUS_NOMEM;
        }
    }
    return STATUS_OK;
}

/* Whether the item before it stands in the same directory, as most do. */
static bool shares_directory(const struct watched_set *set, size_t i)
{
    return i > 0 && strcmp(set->items[i - 1].directory, set->items[i].directory) == 0;
}

/* Also for watches that are there: the kernel then gives the same number again. */
static void set_watch(struct watched_set *set, int inotify_fd)
{
    for (size_t i = 0; i < set->len; i++) {
        struct watched *item = &set->items[i];
        item->directory_wd = shares_directory(set, i)
                                 ? set->items[i - 1].directory_wd
                                 : inotify_add_watch(inotify_fd, item->directory, directory_mask);
        item->own_entries_wd = inotify_add_watch(inotify_fd, item->path, directory_mask);
    }
}

static struct fingerprint set_look(const struct watched_set *set)
{
    struct fingerprint look = FINGERPRINT_EMPTY;
    for (size_t i = 0; i < set->len; i++) {
        fingerprint_add(&look, set->items[i].path);
        if (!shares_directory(set, i))
            fingerprint_add_directory_time(&look, set->items[i].directory);
    }
    return look;
}

/* --- events ---------------------------------------------------------------------------------- */

static bool concerns(const struct watched *item, const struct inotify_event *event)
{
    if (event->wd != item->directory_wd && event->wd != item->own_entries_wd)
        return false;
    const char *name = event->len == 0 ? "" : event->name;
    if ((event->mask & lost_mask) != 0 || strcmp(name, "..data") == 0)
        return true;
    if (event->wd == item->own_entries_wd && name[0] != '\0' && name[0] != '.')
        return true;
    return event->wd == item->directory_wd && strcmp(name, item->name) == 0;
}

static bool set_concerns(const struct watched_set *set, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        return true;
    for (size_t i = 0; i < set->len; i++)
        if (concerns(&set->items[i], event))
            return true;
    return false;
}

/* Reads what the kernel has to tell; returns whether any of it concerns the set. */
static bool drain(struct watch *w)
{
    _Alignas(struct inotify_event) char piece[4096];
    bool found = false;
    for (int i = 0; i < reads_max; i++) {
        ssize_t len = read(w->inotify_fd, piece, sizeof(piece));
        if (len <= 0)
            break;
        for (const char *at = piece; at < piece + len && !found;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            found = set_concerns(&w->set, event);
            at += sizeof(*event) + event->len;
        }
    }
    return found;
}

/* --- time ------------------------------------------------------------------------------------ */

static void note_event(struct watch *w, int64_t now_mono_ms)
{
    if (!w->pending)
        w->first_mono_ms = now_mono_ms;
    w->last_mono_ms = now_mono_ms;
    w->pending = true;
}

static int64_t settles_at_mono_ms(const struct watch *w)
{
    int64_t quiet = w->last_mono_ms + WATCH_QUIET_MS;
    int64_t longest = w->first_mono_ms + WATCH_BURST_MAX_MS;
    return quiet < longest ? quiet : longest;
}

static void arm_timer(struct watch *w)
{
    int64_t at_mono_ms = w->poll_at_mono_ms;
    if (w->pending && settles_at_mono_ms(w) < at_mono_ms)
        at_mono_ms = settles_at_mono_ms(w);
    const struct itimerspec at = {
        .it_value = {.tv_sec = at_mono_ms / 1000, .tv_nsec = at_mono_ms % 1000 * 1000000},
    };
    /* Cannot fail: the descriptor and the time are valid. Setting it makes it unreadable again. */
    timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

bool watch_changed(struct watch *w)
{
    int64_t now_mono_ms = clock_mono_ms();
    if (drain(w))
        note_event(w, now_mono_ms);

    bool changed = false;
    if (w->pending && now_mono_ms >= settles_at_mono_ms(w)) {
        w->pending = false;
        w->fingerprint = set_look(&w->set).hash;
        changed = true;
    } else if (now_mono_ms >= w->poll_at_mono_ms) {
        set_watch(&w->set, w->inotify_fd); /* directories that appeared since */
        uint64_t look = set_look(&w->set).hash;
        changed = look != w->fingerprint;
        w->fingerprint = look;
        w->poll_at_mono_ms = now_mono_ms + w->poll_ms;
    }
    arm_timer(w);
    return changed;
}

/* --- life-cycle ------------------------------------------------------------------------------ */

static bool epoll_add(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    close_open(w->inotify_fd);
    close_open(w->timer_fd);
    close_open(w->epoll_fd);
    set_done(&w->set);
    free(w);
}

enum status watch_new(int64_t poll_ms, struct watch **ret, struct diag *diag)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return STATUS_NOMEM;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->epoll_fd < 0 || !epoll_add(w->epoll_fd, w->timer_fd) ||
        !epoll_add(w->epoll_fd, w->inotify_fd)) {
        enum status status =
            diag_set(diag, STATUS_UNAVAILABLE, "files cannot be watched: %s", strerror(errno));
        watch_free(w);
        return status;
    }
    w->fingerprint = set_look(&w->set).hash;
    w->poll_ms = poll_ms;
    w->poll_at_mono_ms = clock_mono_ms() + poll_ms;
    arm_timer(w);
    *ret = w;
    return STATUS_OK;
}

enum status watch_replace(struct watch *w, const char *const paths[], size_t paths_len,
                          int64_t read_from_unix_ms)
{
    struct watched_set set;
    enum status status = set_init(&set, paths, paths_len);
    if (status != STATUS_OK)
        return status;
    /* A new instance, so that what is no longer watched cannot report; without one (the kernel
     * allows 128 for a user) the old one serves on, and tells of a little more than it should. */
    int inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (epoll_add(w->epoll_fd, inotify_fd)) {
        close(w->inotify_fd);
        w->inotify_fd = inotify_fd;
    } else {
        close_open(inotify_fd);
    }
    set_done(&w->set);
    w->set = set;

    /* First watched, then looked at: what happens in between is told rather than missed. */
    set_watch(&w->set, w->inotify_fd);
    struct fingerprint look = set_look(&w->set);
    w->fingerprint = look.hash;
    w->pending = false;
    if (look.changed_at_unix_ms >= read_from_unix_ms - inode_time_lag_ms)
        note_event(w, clock_mono_ms());
    arm_timer(w);
    return STATUS_OK;
}

int watch_fd(const struct watch *w)
{
    return w->epoll_fd;
}
