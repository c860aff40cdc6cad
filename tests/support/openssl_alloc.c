#include "tests/support/openssl_alloc.h"

#include <stdlib.h>

#include <openssl/crypto.h>

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *resize(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(memory, size);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

bool openssl_alloc_start(void)
{
    return CRYPTO_set_mem_functions(allocate, resize, release) == 1;
}
