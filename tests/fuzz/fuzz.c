#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/crypto.h"
#include "bridge/base/hash64.h"
#include "bridge/base/log.h"
#include "tests/support/alloc_fail.h"

/* The code under test gets by with it: envelope_arena_max() of the largest input is less. */
static const size_t arena_max = 64U << 20;
#define OWN_MAX (8U << 20)

static struct arena *arena;
static struct {
    _Alignas(16) uint8_t data[OWN_MAX];
    size_t len;
} own;
static uint64_t choices;
static char directory[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* --- for targets ------------------------------------------------------------------------------ */

bool fuzz_is_short_of_memory(void)
{
    return alloc_fail_has_failed();
}

bool fuzz_is_nomem(enum status status)
{
    if (status == STATUS_NOMEM)
        FUZZ_ASSERT(alloc_fail_has_failed());
    return status == STATUS_NOMEM;
}

struct arena *fuzz_arena(void)
{
    return arena;
}

void *fuzz_alloc(size_t size)
{
    size_t taken = (size + 15) & ~(size_t)15;
    FUZZ_ASSERT(taken <= OWN_MAX - own.len);
    void *memory = own.data + own.len;
    own.len += taken;
    memset(memory, 0, taken);
    return memory;
}

char *fuzz_text(struct bytes bytes)
{
    char *text = fuzz_alloc(bytes.len + 1);
    if (bytes.len > 0)
        memcpy(text, bytes.data, bytes.len);
    return text;
}

struct bytes fuzz_line(struct bytes *input)
{
    const uint8_t *end = input->len == 0 ? NULL : memchr(input->data, '\n', input->len);
    struct bytes line = *input;
    if (end == NULL) {
        input->data += input->len;
        input->len = 0;
        return line;
    }
    line.len = (size_t)(end - line.data);
    *input = bytes_of(end + 1, input->len - line.len - 1);
    return line;
}

void fuzz_lines(struct bytes input, void (*check)(struct bytes line))
{
    int lines = 0;
    do
        check(fuzz_line(&input));
    while (input.len > 0 && ++lines < 64);
}

/* Which of the names stands here in braces. */
static size_t find_name(const char *text, const char *const names[], size_t *ret_len)
{
    size_t i = 0;
    for (; names[i] != NULL; i++) {
        *ret_len = strlen(names[i]);
        if (strncmp(text + 1, names[i], *ret_len) == 0 && text[1 + *ret_len] == '}')
            break;
    }
    return i;
}

char *fuzz_expand(const char *text, const char *const names[], const char *const values[])
{
    const size_t max = 65536;
    char *expanded = fuzz_alloc(max + 1);
    size_t len = 0;
    while (*text != '\0' && len < max) {
        size_t name_len = 0, i = *text == '{' ? find_name(text, names, &name_len) : 0;
        if (*text != '{' || names[i] == NULL) {
            expanded[len++] = *text++;
            continue;
        }
        int written = snprintf(expanded + len, max - len, "%s", values[i]);
        len = (size_t)written < max - len ? len + (size_t)written : max;
        text += name_len + 2;
    }
    expanded[len] = '\0';
    return expanded;
}

uint32_t fuzz_choose(uint32_t below)
{
    choices = hash64_mix(choices + HASH64_START);
    return (uint32_t)(choices % below);
}

/* --- files ------------------------------------------------------------------------------------ */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static void remove_directory(void)
{
    nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_directory(void)
{
    if (directory[0] == '\0') {
        const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(directory, sizeof(directory), "%s/fuzz.XXXXXX", parent);
        FUZZ_ASSERT(mkdtemp(directory) != NULL);
        atexit(remove_directory);
    }
    return directory;
}

void fuzz_write(const char *name, struct bytes content)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", fuzz_directory(), name);
    for (char *slash = strchr(path + strlen(directory) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    FUZZ_ASSERT(file != NULL);
    FUZZ_ASSERT(fwrite(content.data, 1, content.len, file) == content.len);
    FUZZ_ASSERT(fclose(file) == 0);
    FUZZ_ASSERT(chmod(path, 0600) == 0);
}

/* --- for libFuzzer ---------------------------------------------------------------------------- */

bool fuzz_run(struct bytes input, long failing)
{
    choices = hash64_mix(hash64(HASH64_START, input));
    own.len = 0;
    arena = arena_new(arena_max);
    FUZZ_ASSERT(arena != NULL);
    alloc_fail_at(failing);
    fuzz_one(input);
    bool failed = alloc_fail_end();
    arena_free(arena);
    arena = NULL;
    return failed;
}

void fuzz_torture(struct bytes input)
{
    const long few = 20, end = 100000; /* more than any input of the tree makes */
    const char *torture = getenv("TORTURE");
    bool is_all = torture != NULL && strcmp(torture, "all") == 0;
    for (long n = 0; n < end && fuzz_run(input, n);)
        n += 1 + (is_all || n < few ? 0 : n / 5);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    FUZZ_ASSERT(crypto_start() == STATUS_OK);
    log_set_level(LOG_NONE);
    fuzz_start();
    return 0;
}

/* Every fourth input runs again, or, with TORTURE in the environment, each many times. Early
 * allocations fail more often: most runs make few. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes input = bytes_of(data, len);
    fuzz_run(input, -1);
    uint64_t hash = hash64_mix(hash64(HASH64_START, input) + 1);
    if (getenv("TORTURE") != NULL)
        fuzz_torture(input);
    else if (hash % 4 == 0)
        fuzz_run(input, (long)((hash >> 8) % (UINT64_C(1) << (hash >> 4) % 9)));
    return 0;
}
