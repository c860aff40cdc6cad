#include "bridge/base/secret_memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bridge/base/crypto.h"

/* Blocks have the size of a power of two. A block that is free is in the list of its size, and
 * stays of that size: secrets have few sizes, and what no block is left for goes to the heap. */
enum {
    BLOCK_BITS_MIN = 5,  /* the least that keeps malloc()'s alignment, and more than a pointer */
    BLOCK_BITS_MAX = 16, /* what is longer are an operator's unlikely texts, and no secrets */
};

struct free_block {
    struct free_block *next;
};

static struct {
    pthread_mutex_t lock; /* guards used and free */
    uint8_t *begin;       /* NULL: all memory is the heap's */
    size_t locked;        /* bytes from begin */
    size_t used;          /* bytes from begin that were ever blocks */
    struct free_block *free[BLOCK_BITS_MAX + 1];
} region = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Locks as much as the limit lets, down to a page. Source: mlock2(2): pages are locked when they
 * are first touched, while all of them count against the limit at once. */
static size_t lock_beginning(uint8_t *begin, size_t page)
{
    for (size_t len = SECRET_MEMORY_SIZE; len >= page; len /= 2)
        if (mlock2(begin, len, MLOCK_ONFAULT) == 0)
            return len;
    return 0;
}

enum status secret_memory_start(size_t *ret_locked)
{
    if (region.begin == NULL) {
        const size_t page =
            (size_t)sysconf(_SC_PAGESIZE); /* one before and one behind stop strays */
        uint8_t *mapped = mmap(NULL, SECRET_MEMORY_SIZE + 2 * page, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED)
            return STATUS_UNAVAILABLE;
        uint8_t *begin = mapped + page;
        if (mprotect(begin, SECRET_MEMORY_SIZE, PROT_READ | PROT_WRITE) != 0 ||
            madvise(begin, SECRET_MEMORY_SIZE, MADV_DONTDUMP) != 0 ||
            madvise(begin, SECRET_MEMORY_SIZE, MADV_WIPEONFORK) != 0) {
            munmap(mapped, SECRET_MEMORY_SIZE + 2 * page);
            return STATUS_UNAVAILABLE;
        }
        region.locked = lock_beginning(begin, page);
        region.begin = begin;
    }
    *ret_locked = region.locked;
    return STATUS_OK;
}

static unsigned bits_for(size_t len)
{
    unsigned bits = BLOCK_BITS_MIN;
    while (bits <= BLOCK_BITS_MAX && ((size_t)1 << bits) < len)
        bits++;
    return bits;
}

/* Zeroed. NULL: none is left. */
static void *take_block(unsigned bits)
{
    const size_t size = (size_t)1 << bits;
    void *taken = NULL;
    pthread_mutex_lock(&region.lock);
    struct free_block *block = region.free[bits];
    if (block != NULL) {
        region.free[bits] = block->next;
        block->next = NULL;
        taken = block;
    } else if (size <= SECRET_MEMORY_SIZE - region.used) {
        taken = region.begin + region.used;
        region.used += size;
    }
    pthread_mutex_unlock(&region.lock);
    return taken;
}

void *secret_memory_alloc(size_t len)
{
    unsigned bits = bits_for(len);
    void *block = region.begin == NULL || bits > BLOCK_BITS_MAX ? NULL : take_block(bits);
    return block != NULL ? block : calloc(1, len);
}

static bool is_block(const void *memory)
{
    return region.begin != NULL && (const uint8_t *)memory >= region.begin &&
           (const uint8_t *)memory < region.begin + SECRET_MEMORY_SIZE;
}

void secret_memory_free(void *memory, size_t len)
{
    if (memory == NULL)
        return;
    crypto_wipe(memory, len);
    if (!is_block(memory)) {
        free(memory);
        return;
    }
    struct free_block *block = memory;
    unsigned bits = bits_for(len);
    pthread_mutex_lock(&region.lock);
    block->next = region.free[bits];
    region.free[bits] = block;
    pthread_mutex_unlock(&region.lock);
}
