/* Runs a fuzz target on the files of directories, also with failing allocations (fuzz_torture()).
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
    fuzz_run(bytes_of(copy, content.len), -1);
    fuzz_torture(bytes_of(copy, content.len));
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
