#include "tests/support/memory_search.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What memory is copied to: what is in it counts for nothing. A pipe takes 64 KiB at once. */
static uint8_t copy[65536];

/* A sanitizer's shadow memory is of terabytes. */
static const size_t mapping_max = (size_t)1 << 30;

struct mapping {
    uintptr_t begin;
    uintptr_t end;
    bool is_writable; /* nothing is written to the others */
    bool is_kept;
};

/* Through a pipe: what another thread unmaps meanwhile is then an error and no signal. */
static size_t copy_from(uintptr_t from, size_t len)
{
    int fds[2];
    size_t got = 0;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return 0;
    ssize_t written = syscall(SYS_write, fds[1], from, len); /* a sanitizer lets write() not */
    for (ssize_t n; written > 0 && got < (size_t)written; got += (size_t)n)
        if ((n = read(fds[0], copy + got, (size_t)written - got)) <= 0)
            break;
    close(fds[0]);
    close(fds[1]);
    return got;
}

static size_t count_in_copy(size_t copied, const uint8_t *masked, size_t len)
{
    size_t found = 0;
    const uint8_t *at = copy, *end = copy + copied;
    while (end - at >= (ptrdiff_t)len && (at = memchr(at, masked[0] ^ MEMORY_SEARCH_MASK,
                                                      (size_t)(end - at) - len + 1)) != NULL) {
        size_t same = 1;
        while (same < len && at[same] == (masked[same] ^ MEMORY_SEARCH_MASK))
            same++;
        found += same == len;
        at++;
    }
    return found;
}

static size_t count_in(const struct mapping *m, const uint8_t *masked, size_t len)
{
    const uintptr_t skipped = (uintptr_t)copy, skipped_end = skipped + sizeof(copy);
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t found = 0;
    for (uintptr_t at = m->begin; at < m->end;) {
        uintptr_t end = m->end - at > sizeof(copy) ? at + sizeof(copy) : m->end;
        if (at < skipped && end > skipped)
            end = skipped;
        if (at >= skipped && at < skipped_end) {
            at = skipped_end;
            continue;
        }
        size_t copied = copy_from(at, end - at);
        found += count_in_copy(copied, masked, len);
        if (copied == 0)
            at = (at / page + 1) * page; /* which nobody can read */
        else
            at += copied == m->end - at || at + copied == skipped || copied < len
                      ? copied
                      : copied - (len - 1);
    }
    return found;
}

/* The next mapping of /proc/self/smaps, whose first line is the range and last one the flags. */
static bool next_mapping(FILE *smaps, struct mapping *ret)
{
    char line[1024], readable, writable;
    unsigned long begin, end;
    while (fgets(line, sizeof(line), smaps) != NULL) {
        if (sscanf(line, "%lx-%lx %c%c", &begin, &end, &readable, &writable) == 4) {
            *ret = (struct mapping){begin, end, readable == 'r' && writable == 'w', false};
        } else if (strncmp(line, "VmFlags:", 8) == 0) {
            ret->is_kept = strstr(line, " lo") != NULL && strstr(line, " dd") != NULL;
            return true;
        }
    }
    return false;
}

bool memory_search(const uint8_t *masked, size_t len, struct memory_finds *ret)
{
    struct mapping m;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (smaps == NULL)
        return false;
    *ret = (struct memory_finds){0, 0};
    while (next_mapping(smaps, &m)) {
        bool is_searched = m.is_writable && m.end - m.begin <= mapping_max;
        size_t found = is_searched ? count_in(&m, masked, len) : 0;
        *(m.is_kept ? &ret->kept : &ret->elsewhere) += found;
    }
    fclose(smaps);
    return true;
}
