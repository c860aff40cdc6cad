/* One topic-partition as the producer sees it: what is on its way there, and whether more may go.
 *
 *                 lane_pause: the oldest record in the client waits too long
 *     FLOWING ───────────────────────────────────────────► PAUSED ◄─────────┐
 *        ▲  ▲                                                │ │            │ lane_pause: no
 *        │  └──────── lane_acknowledge: a report came ───────┘ │ lane_try:  │ acknowledgement
 *        │                                                     │ the leader │ of the trial's
 *        └─────────── lane_acknowledge ──────── TRIAL ◄────────┘ answers    │ records in time
 *                                                 └────────────────────────-┘
 *
 * FLOWING  new records go to the client at once.
 * PAUSED   what was accepted waits in `held`, in our hands, until its callback's time is over; new
 *          records join it as long as the oldest may still make it (an election is under way), and
 *          are refused from then on.
 * TRIAL    the leader answers requests again, but has not acknowledged a record yet (it may lack
 *          in-sync replicas): a few records go out, the others wait in `held`, or are refused when
 * the trial before this one was fruitless.
 *
 * Invariants (lane_check):
 *  1. An entry is in one list at most: sent (in the client), stragglers (in the client since before
 *     the lane flowed again, so its age says nothing of the broker), or held (in our hands).
 *  2. held is in the order of the sequence numbers.
 *     The broker refuses a batch as a whole: a record refused in company is sent again alone,
 * before anything is concluded about it. While it is out, it is the last of sent, and nothing
 * follows.
 *  3. Nothing goes to the client past a held entry: while held is not empty, new ones are held.
 *  4. trial_room is at most LANE_TRIAL_WINDOW, and counts only in TRIAL: what is surely not stored
 *     gives its place back, so that it bounds what may be.
 *
 * Thread: everything under lane->lock, which the caller holds.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many records a lane sends before the first acknowledgement after a pause. What is sent while
 * nobody knows whether it will be acknowledged may be stored although its sender was told 503: so
 * it is kept small, yet it holds a usual array. */
#define LANE_TRIAL_WINDOW 16

enum lane_state {
    LANE_FLOWING = 0,
    LANE_PAUSED,
    LANE_TRIAL,
};

/* A member of a record in custody; the lists are circular, so an entry leaves without its list. */
struct lane_entry {
    struct lane_entry *previous;
    struct lane_entry *next;
    uint64_t sequence;           /* in the order of acceptance; kept when it is sent again */
    int64_t accepted_at_mono_ms; /* by publish: what its callback's time is counted from */
    bool is_alone;               /* to be sent with nothing else of its partition: a batch of one */
    int32_t leader;              /* the broker it was sent to last, as far as is known */
    uint64_t trial;              /* the number of the trial it was sent in last; 0: in none */
};

struct lane {
    pthread_mutex_t lock;
    const char *topic; /* borrowed from the topic */
    size_t topic_index;
    int32_t partition;
    int32_t leader; /* -1: none is known */
    enum lane_state state;
    bool active; /* in the list of those that the delivery thread looks at */
    struct lane *next_active;
    int64_t paused_at_mono_ms;
    int64_t refuses_at_mono_ms;     /* when a pause begins to refuse new records */
    int64_t in_doubt_since_mono_ms; /* all brokers were said to be down; 0: no doubt */
    uint64_t trials;                /* how many there were; the last one's number */
    int64_t trial_at_mono_ms;       /* when it began: something was sent; 0: not yet */
    unsigned trial_room;
    bool is_fruitless; /* the last trial ended without an acknowledgement */
    uint64_t next_sequence;
    struct lane_entry sent;
    struct lane_entry stragglers;
    struct lane_entry held;
};

/* Borrows topic. */
void lane_init(struct lane *lane, const char *topic, size_t topic_index, int32_t partition);
void lane_done(struct lane *lane);

/* What is to be done with an accepted record. */
enum lane_gate {
    LANE_GATE_REFUSE = 0,
    LANE_GATE_SEND,
    LANE_GATE_HOLD,
};

/* What happens to a new record now. */
enum lane_gate lane_gate(const struct lane *lane, int64_t now_mono_ms);

/* Gives a new entry its place in the order. */
void lane_enter(struct lane *lane, struct lane_entry *entry, int64_t now_mono_ms);

/* The entry goes to the client, resp. waits in our hands, at its place in the order. */
void lane_send(struct lane *lane, struct lane_entry *entry, int64_t now_mono_ms);
void lane_hold(struct lane *lane, struct lane_entry *entry);

/* Takes the entry out of the list it is in. */
void lane_remove(struct lane_entry *entry);

/* The same of an entry in the client that surely was not stored, and whose end says nothing of the
 * leader's acknowledgements: the client did not take it or gave it back unsent, or it was refused
 * for what it is. Another one may be tried in its place at once. Whatever may be stored keeps its
 * place, and so does what failed otherwise: a leader that answers but does not acknowledge would
 * get one record after the other. */
void lane_unsend(struct lane *lane, struct lane_entry *entry);

/* The first held entry if it may be sent now, else NULL. */
struct lane_entry *lane_next_to_send(const struct lane *lane);

/* The first held entry, else NULL. */
struct lane_entry *lane_first_held(const struct lane *lane);

/* A record was acknowledged. Returns whether the lane did not flow before. */
bool lane_acknowledge(struct lane *lane);

/* How long the oldest record in the client has waited; 0: none waits. */
int64_t lane_wait_ms(const struct lane *lane, int64_t now_mono_ms);

/* Whether it is time for lane_pause(). */
bool lane_is_stalled(const struct lane *lane, int64_t stall_ms, int64_t now_mono_ms);
void lane_pause(struct lane *lane, int64_t grace_ms, int64_t now_mono_ms);

/* A trial begins; a lane that is in one begins anew, with another client. */
void lane_try(struct lane *lane);

/* The broker that the oldest record in the client went to; -1: none waits, or nobody knows. */
int32_t lane_awaited_leader(const struct lane *lane);

/* Whether that broker no longer leads the partition. */
bool lane_has_moved(const struct lane *lane);

/* Whether nothing is in any list. */
bool lane_is_empty(const struct lane *lane);

/* Whether nothing is to be done about it before the next record comes. A trial that has begun is
 * seen to its end, also when what was sent in it has left: its places are not free otherwise. */
bool lane_is_idle(const struct lane *lane);

/* Whether another trial after one in vain is not acknowledged at once, either. */
bool lane_is_stuck(const struct lane *lane, int64_t suspect_ms, int64_t now_mono_ms);

void lane_check(const struct lane *lane);
