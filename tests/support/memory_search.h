/* Looks for a secret in the whole memory of the own process, without holding a copy of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How often it stands in memory that is locked and in no dump, and how often anywhere else. */
struct memory_finds {
    size_t kept;
    size_t elsewhere;
};

#define MEMORY_SEARCH_MASK 0x55

/* masked: the secret's bytes, each XOR MEMORY_SEARCH_MASK; 4 to 256 of them. Other threads may go
 * on. Returns false when the memory cannot be read. */
bool memory_search(const uint8_t *masked, size_t len, struct memory_finds *ret);
