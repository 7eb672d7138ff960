/* Wrong calls: handles that are none, and many threads on one. */
#include "misuse.h"

#include <pthread.h>

static const struct function *const with_handle[] = {&vault_merchant, &vault_tokenize, &vault_lookup,
                                                     &vault_detokenize, &vault_deactivate, &vault_close};

/* Every function refuses a handle that is none. NULL may be closed. */
static void refuse(const char *name, uintptr_t bits)
{
    for (size_t i = 0; i < sizeof with_handle / sizeof *with_handle; ++i) {
        struct call *c = begin(with_handle[i]);
        memcpy(&c->vault, &bits, sizeof bits);
        end(c, name, bits == 0 && with_handle[i] == &vault_close ? PANSEAL_OK : PANSEAL_E_HANDLE);
    }
    vault_handle_rows(name, bits);
    dialect_handle_rows(name, bits);
}

static uintptr_t bits_of(panseal_vault *vault)
{
    uintptr_t bits;
    memcpy(&bits, &vault, sizeof bits);
    return bits;
}

static panseal_vault *another(void)
{
    panseal_vault *vault = NULL;
    HOLDS(panseal_vault_merchant(good_vault, "m2", &vault, NULL) == PANSEAL_OK);
    return vault;
}

void handle_rows(void)
{
    panseal_vault *closed, *fresh;
    panseal_open_options how = good_options();
    int local = 0;
    char name[64];
    uintptr_t good = bits_of(good_vault);

    refuse("the handle is NULL", 0);
    refuse("the handle is 1", 1);
    refuse("the handle is 2", 2);
    refuse("the handle is 3", 3);
    refuse("the handle is 0xdeadbeef", 0xdeadbeef);
    refuse("the handle is 0xdeadbeee", 0xdeadbeee);
    refuse("the handle is all ones", UINTPTR_MAX);
    refuse("the handle is all ones but one", UINTPTR_MAX - 1);
    refuse("the handle is the address of a local", (uintptr_t)&local);
    refuse("the handle is the odd address of a local", (uintptr_t)&local + 1);
    refuse("the handle is the address of a function", (uintptr_t)&handle_rows);
    refuse("the handle is its own address", (uintptr_t)&good_vault);
    for (unsigned bit = 0; bit < 8 * sizeof good; ++bit) {
        snprintf(name, sizeof name, "bit %u of the handle is flipped", bit);
        refuse(name, good ^ (uintptr_t)1 << bit);
    }
    refuse("the handle is one up", good + 1);
    refuse("the handle is one down", good - 1);

    /* Closed, closed twice, and the next one in the same place. */
    closed = another();
    HOLDS(panseal_vault_close(closed) == PANSEAL_OK);
    refuse("the handle is closed", bits_of(closed));
    fresh = another();
    HOLDS(fresh != closed);
    refuse("the handle is closed and its place taken", bits_of(closed));
    HOLDS(panseal_vault_close(fresh) == PANSEAL_OK);
    for (int round = 0; round < 1000; ++round) {
        fresh = another();
        if (fresh == closed || panseal_vault_close(fresh) != PANSEAL_OK) {
            holds("a handle never comes back", 0);
        }
    }
    refuse("the handle was closed a thousand handles ago", bits_of(closed));

    /* A merchant's handle outlives the one that it was made of; a till's handle never gives a number. */
    HOLDS(panseal_vault_open(&how, &closed, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_merchant(closed, NULL, &fresh, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_close(closed) == PANSEAL_OK);
    ROW(vault_lookup, PANSEAL_OK, c->vault = fresh);
    HOLDS(panseal_vault_close(fresh) == PANSEAL_OK);
    how.flags = PANSEAL_OPEN_NO_REVEAL;
    HOLDS(panseal_vault_open(&how, &closed, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_merchant(closed, NULL, &fresh, NULL) == PANSEAL_OK);
    ROW(vault_detokenize, PANSEAL_E_IRREVERSIBLE, c->vault = closed);
    ROW(vault_detokenize, PANSEAL_E_IRREVERSIBLE, c->vault = fresh);
    ROW(vault_lookup, PANSEAL_OK, c->vault = closed);
    HOLDS(panseal_vault_close(fresh) == PANSEAL_OK);
    HOLDS(panseal_vault_close(closed) == PANSEAL_OK);

    /* Another merchant's token; a token that is out of use. */
    fresh = another();
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->vault = fresh);
    ROW(vault_detokenize, PANSEAL_E_TOKEN, c->vault = fresh);
    ROW(vault_deactivate, PANSEAL_E_TOKEN, c->vault = fresh);
    HOLDS(panseal_vault_close(fresh) == PANSEAL_OK);
    ROW(vault_deactivate, PANSEAL_OK, c->vault = good_vault);
    ROW(vault_detokenize, PANSEAL_E_INACTIVE, c->text = given(c, victim.token, strlen(victim.token)));
    ROW(vault_lookup, PANSEAL_OK, c->text = given(c, victim.token, strlen(victim.token)));

    /* More handles than there are. */
    {
        enum { MANY = 100000 };
        panseal_vault **all = malloc(MANY * sizeof *all);
        panseal_status status = PANSEAL_OK;
        size_t count = 0;
        if (all == NULL) {
            abort();
        }
        while (count < MANY && (status = panseal_vault_merchant(good_vault, "m2", &all[count], NULL)) == PANSEAL_OK) {
            ++count;
        }
        HOLDS(count > 100 && (count == MANY || status == PANSEAL_E_LIMIT));
        if (status == PANSEAL_E_LIMIT) {
            ROW(vault_merchant, PANSEAL_E_LIMIT, c->literal = "m3");
            ROW(vault_open, PANSEAL_E_LIMIT, c->how->merchant = "m3");
        }
        while (count > 0) {
            if (panseal_vault_close(all[--count]) != PANSEAL_OK) {
                holds("every one of them closes", 0);
            }
        }
        free(all);
        ROW(vault_merchant, PANSEAL_OK, c->literal = "m3");
    }
}

/* ---- threads ---- */

enum { THREADS = 16, CLOSERS = 4, ROUNDS = 40 };

static struct race {
    pthread_barrier_t start;
    panseal_vault *vault;
    panseal_status closed[THREADS];
    panseal_status odd[THREADS];     /* an answer that was neither OK nor HANDLE */
    unsigned long calls[THREADS];
} race;

/* Uses the handle until it is closed; some threads close it after a while, all at once. */
static void *racer(void *argument)
{
    size_t me = *(size_t *)argument;
    panseal_instrument seen;
    panseal_status status = PANSEAL_OK;
    pthread_barrier_wait(&race.start);
    while (status == PANSEAL_OK) {
        PANSEAL_INIT(seen);
        if (me < CLOSERS && race.calls[me] == 3) {
            race.closed[me] = panseal_vault_close(race.vault);
        }
        status = panseal_vault_lookup(race.vault, known.token, strlen(known.token), &seen, NULL);
        ++race.calls[me];
    }
    if (status != PANSEAL_E_HANDLE) {
        race.odd[me] = status;
    }
    return NULL;
}

static void run_race(panseal_vault *vault)
{
    pthread_t threads[THREADS];
    size_t names[THREADS];
    int winners = 0, others = 0;

    memset(&race, 0, sizeof race);
    race.vault = vault;
    HOLDS(pthread_barrier_init(&race.start, NULL, THREADS) == 0);
    for (size_t i = 0; i < THREADS; ++i) {
        names[i] = i;
        if (pthread_create(&threads[i], NULL, racer, &names[i]) != 0) {
            abort();
        }
    }
    for (size_t i = 0; i < THREADS; ++i) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&race.start);
    for (size_t i = 0; i < THREADS; ++i) {
        if (race.odd[i] != PANSEAL_OK) {
            holds(panseal_status_text(race.odd[i]), 0);
        }
    }
    /* A thread that found the handle closed did not come to close it. */
    for (size_t i = 0; i < CLOSERS; ++i) {
        winners += race.calls[i] > 3 && race.closed[i] == PANSEAL_OK;
        others += race.calls[i] > 3 && race.closed[i] != PANSEAL_OK && race.closed[i] != PANSEAL_E_HANDLE;
    }
    HOLDS(winners == 1);
    HOLDS(others == 0);
}

void thread_rows(void)
{
    panseal_open_options how = good_options();
    panseal_vault *vault;
    for (int round = 0; round < ROUNDS; ++round) {
        if (round % 2 == 0) {
            HOLDS(panseal_vault_merchant(good_vault, NULL, &vault, NULL) == PANSEAL_OK);
        } else {
            HOLDS(panseal_vault_open(&how, &vault, NULL) == PANSEAL_OK);
        }
        run_race(vault);
        HOLDS(panseal_vault_close(vault) == PANSEAL_E_HANDLE);
    }
    ROW(vault_lookup, PANSEAL_OK, c->vault = good_vault);
}
