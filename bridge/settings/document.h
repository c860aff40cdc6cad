/* A YAML file as a tree of nodes that know where they stand; JSON is YAML too. Strict: one
 * document, no aliases, anchors or tags, no key twice. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/settings/problems.h"

/* Levels of maps and lists; the deepest setting needs five. */
#define DOCUMENT_DEPTH_MAX 16
/* Keys of one map: they are compared with each other. */
#define DOCUMENT_MAP_MAX 1000

enum node_kind {
    NODE_SCALAR = 0,
    NODE_LIST,
    NODE_MAP,
};

struct node {
    enum node_kind kind;
    bool plain;       /* a scalar without quotes: may mean a number, true, false or nothing */
    const char *text; /* of a scalar; no NUL inside */
    struct place place;
    const char *key;        /* in a map: the key it stands under */
    struct place key_place; /* in a map: where the key stands */
    struct node *first;     /* of a list or map */
    struct node *next;      /* in a list or map */
};

/* Reads text into nodes that live in the arena, as does the file's name.
 * A file without a document is an empty map. Returns NULL, with a problem, when it is no YAML or
 * not of the strict kind. Errors: memory in problems->status.
 */
struct node *document_parse(const char *file, struct bytes text, struct arena *a,
                            struct problems *problems);

/* What a plain scalar means, by YAML 1.2's core schema less its hexadecimal and octal numbers and
 * its numbers with an underscore: text. Source: YAML 1.2.2, section 10.3.
 */
bool node_is_null(const struct node *n);
bool node_is_bool(const struct node *n, bool *ret);
bool node_is_number(const struct node *n); /* integers and others */
bool node_is_text(const struct node *n);   /* none of the above */
