#include "bridge/ops/process_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bridge/base/file.h"
#include "bridge/base/scoped.h"

/* What /proc/self/stat and /proc/stat tell. */
struct process_stat {
    unsigned long long threads;
    unsigned long long started_at_ticks; /* since the boot */
    unsigned long long virtual_bytes;
    unsigned long long resident_pages;
};

static void set(struct metrics *m, const char *name, const char *help, double value)
{
    gauge_set(metrics_gauge(m, name, help, NULL, 0), value);
}

static struct process_stat read_process_stat(void)
{
    struct process_stat st = {0};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    if (file_read("/proc/self/stat", &text, NULL) != STATUS_OK)
        return st;
    /* Field 2 is the program's name in brackets and may hold anything; field 3 comes after it. */
    const char *name_end = strrchr(buf_text(&text), ')');
    if (name_end == NULL ||
        /* NOLINTNEXTLINE(cert-err34-c): the kernel's numbers fit */
        sscanf(name_end + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
               "%*d %*d %llu %*d %llu %llu %llu",
               &st.threads, &st.started_at_ticks, &st.virtual_bytes, &st.resident_pages) != 4)
        return (struct process_stat){0};
    return st;
}

/* 0 when it is not told. */
static double read_boot_unix_s(void)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20); /* a line for each processor and a long one for all interrupts */
    if (file_read("/proc/stat", &text, NULL) != STATUS_OK)
        return 0;
    const char *line = strstr(buf_text(&text), "\nbtime ");
    unsigned long long seconds = 0;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's number fits */
    if (line == NULL || sscanf(line, "\nbtime %llu", &seconds) != 1)
        return 0;
    return (double)seconds;
}

static double count_open_fds(void)
{
    DIR *fds = opendir("/proc/self/fd");
    if (fds == NULL)
        return 0;
    double count = -1; /* the directory's own */
    for (const struct dirent *entry; (entry = readdir(fds)) != NULL;)
        if (entry->d_name[0] != '.')
            count++;
    closedir(fds);
    return count;
}

static double cpu_seconds(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double max_fds(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
}

static void look_up(void *ctx)
{
    struct metrics *m = ctx;
    struct process_stat st = read_process_stat();
    gauge_set(metrics_total(m, "process_cpu_seconds_total",
                            "Total user and system CPU time spent in seconds.", NULL, 0),
              cpu_seconds());
    set(m, "process_open_fds", "Number of open file descriptors.", count_open_fds());
    set(m, "process_resident_memory_bytes", "Resident memory size in bytes.",
        (double)st.resident_pages * (double)sysconf(_SC_PAGESIZE));
    set(m, "process_threads", "Number of threads.", (double)st.threads);
    set(m, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
        (double)st.virtual_bytes);
}

void process_metrics_add(struct metrics *m)
{
    double started_s = (double)read_process_stat().started_at_ticks / (double)sysconf(_SC_CLK_TCK);
    set(m, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
        read_boot_unix_s() + started_s);
    set(m, "process_max_fds", "Maximum number of open file descriptors.", max_fds());
    metrics_on_scrape(m, look_up, m);
}
