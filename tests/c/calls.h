/* Right calls of every function of the library, each with what makes it possible and what takes it back. */
#ifndef PANSEAL_TESTS_CALLS_H
#define PANSEAL_TESTS_CALLS_H

#include <panseal.h>
#include <stddef.h>

/* One call, or a few of one kind. */
struct verb {
    /* The functions that it calls. */
    const char *names;
    panseal_status (*run)(void);
    /* With memory: what makes the call possible, and what takes it back where it was done. */
    void (*before)(void), (*after)(void);
    /* Whether the call was not done. */
    int (*undone)(void);
    /* What clears away after a call that was not done. */
    void (*failed)(void);
    /* It is done in pieces, of which some may stand. */
    int in_pieces;
};

extern const struct verb verbs[];
extern const size_t verb_count;

/* A whole batch, as large as the library takes. */
extern const struct verb most;

/* Where a complaint is made: the names of the verb, what is being done to it, and how far that is. */
extern const char *verb, *manner;
extern long point;
extern int complaints;
void complain(const char *why);

/* Ends the program where a call that must be done was not. */
void must(panseal_status status, const char *what);
#define MUST(call) must(call, #call)

/* The handles and what is in them, in the working directory. */
void make_all(void);
void close_all(void);

/* The error record of all calls. */
extern panseal_error err;

/* What was there before is there, for the handles and for new ones. */
void nothing_is_lost(void);

/* What can be counted: the same after a call that was not done. */
struct state {
    int64_t generation, ring, slots;
    uint64_t cards, instruments;
};

struct state look_at_all(void);
int same(struct state one, struct state another);

#endif
