#include "bridge/ingress/mailbox.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    _Atomic(struct mailbox_node *) head; /* newest first */
    atomic_uint refs;
    int fd;
};

enum status mailbox_new(struct mailbox **ret)
{
    struct mailbox *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return STATUS_NOMEM;
    m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->fd < 0) {
        free(m);
        return STATUS_NOMEM;
    }
    atomic_init(&m->head, NULL);
    atomic_init(&m->refs, 1);
    *ret = m;
    return STATUS_OK;
}

struct mailbox *mailbox_ref(struct mailbox *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void mailbox_unref(struct mailbox *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    close(m->fd);
    free(m);
}

int mailbox_fd(const struct mailbox *m)
{
    return m->fd;
}

void mailbox_wake(struct mailbox *m)
{
    /* Fails only when the counter is full, and then the loop is woken anyway. */
    (void)!write(m->fd, &(uint64_t){1}, sizeof(uint64_t));
}

void mailbox_push(struct mailbox *m, struct mailbox_node *node)
{
    struct mailbox_node *head = atomic_load_explicit(&m->head, memory_order_relaxed);
    do
        node->next = head;
    while (!atomic_compare_exchange_weak_explicit(&m->head, &head, node, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL)
        mailbox_wake(m);
}

struct mailbox_node *mailbox_take(struct mailbox *m)
{
    /* The eventfd first: what is pushed between the two is taken now and costs one idle turn; the
     * other way round its wake-up would be lost. */
    (void)!read(m->fd, &(uint64_t){0}, sizeof(uint64_t));
    struct mailbox_node *newest = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire);
    struct mailbox_node *oldest = NULL;
    while (newest != NULL) {
        struct mailbox_node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
