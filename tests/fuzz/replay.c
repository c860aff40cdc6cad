/* Runs a fuzz target on the files of directories, also with failing allocations, one a run: of
 * those behind the first fifty a sample, or, with TORTURE=all in the environment, each.
 *
 *     fuzz_NAME DIRECTORY...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/buf.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* No input of the tree makes more allocations; it ends what would not. */
static const long failures_max = 100000;

/* The failing allocation after this one. */
static long next_failing(long n)
{
    const char *torture = getenv("TORTURE");
    bool is_all = torture != NULL && strcmp(torture, "all") == 0;
    return n + 1 + (is_all || n < 50 ? 0 : n / 5);
}

static void close_directory(DIR **directory)
{
    closedir(*directory);
}

/* An exact copy: a read behind the end is seen. */
static bool run_file(const char *path)
{
    CLEANUP(buf_done) struct buf content;
    struct diag diag = {0};
    buf_init(&content, 1U << 20);
    if (file_read(path, &content, &diag) != STATUS_OK) {
        fprintf(stderr, "%s\n", diag.text);
        return false;
    }
    uint8_t *copy = malloc(content.len);
    FUZZ_ASSERT(copy != NULL || content.len == 0);
    if (content.len > 0)
        memcpy(copy, content.data, content.len);
    fprintf(stderr, "%s\n", path);
    bool failed = fuzz_run(bytes_of(copy, content.len), -1);
    for (long n = 0; n == 0 || (failed && n < failures_max); n = next_failing(n))
        failed = fuzz_run(bytes_of(copy, content.len), n);
    free(copy);
    return true;
}

static bool run_directory(const char *path, size_t *files)
{
    DIR *opened = opendir(path);
    if (opened == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    CLEANUP(close_directory) DIR *directory = opened;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (!run_file(file))
            return false;
        ++*files;
    }
    return true;
}

int main(int argc, char **argv)
{
    size_t files = 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        if (!run_directory(argv[i], &files))
            return 1;
    printf("%zu inputs\n", files);
    return files == 0;
}
