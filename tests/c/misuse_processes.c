/* One vault and more than one process: handles across a fork, and what other processes rely on. And what a process may
 * do to itself while a vault is open: cancel threads, change its folder, its user, its limits. */
#include "misuse.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* How a child ended: its exit status, or -1. */
static int end_of(pid_t child)
{
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static panseal_status lookup(panseal_vault *vault, const char *token)
{
    panseal_instrument seen;
    PANSEAL_INIT(seen);
    return panseal_vault_lookup(vault, token, strlen(token), &seen, NULL);
}

/* Every handle works in both processes after a fork, and a token that the child was given is there for the parent. */
static void child_works(void)
{
    panseal_instrument made;
    panseal_card card;
    int ends[2];
    pid_t child;
    ssize_t got;

    PANSEAL_INIT(made);
    PANSEAL_INIT(card);
    card.number.ptr = NUMBER;
    card.number.len = sizeof NUMBER - 1;
    if (pipe(ends) != 0 || (child = fork()) < 0) {
        abort();
    }
    if (child == 0) {
        int good = lookup(good_vault, known.token) == PANSEAL_OK
            && panseal_vault_tokenize(good_vault, &card, NULL, &made, NULL) == PANSEAL_OK
            && write(ends[1], &made, sizeof made) == sizeof made
            && panseal_vault_close(good_vault) == PANSEAL_OK
            && lookup(good_vault, known.token) == PANSEAL_E_HANDLE;
        _exit(good ? 0 : 1);
    }
    HOLDS(lookup(good_vault, known.token) == PANSEAL_OK);
    got = read(ends[0], &made, sizeof made);
    HOLDS(got == sizeof made);
    HOLDS(end_of(child) == 0);
    HOLDS(got == sizeof made && lookup(good_vault, made.token) == PANSEAL_OK);
    close(ends[0]);
    close(ends[1]);
}

/* The keys do not go over to the child. Where it cannot fetch the root key it says so, and the parent goes on. */
static void child_has_no_root_key(void)
{
    char here[512], gone[512];
    pid_t child;
    path_of(here, "cards.root");
    path_of(gone, "gone.root");
    HOLDS(rename(here, gone) == 0);
    child = fork();
    if (child < 0) {
        abort();
    }
    if (child == 0) {
        _exit(lookup(good_vault, known.token) == PANSEAL_E_FORK ? 0 : 1);
    }
    HOLDS(lookup(good_vault, known.token) == PANSEAL_OK);
    HOLDS(end_of(child) == 0);
    HOLDS(rename(gone, here) == 0);
}

/* Whether another process finds the lock that SQLite holds on the file of an open database. It is asked by a program
 * of its own: a fork would make the vault close its file and open it again. */
static int is_locked(const char *name)
{
    char path[512], *arguments[] = {"misuse", "locked", path_of(path, name), NULL};
    pid_t child;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) != 0) {
        abort();
    }
    return end_of(child) == 0;
}

int locked(const char *path)
{
    struct flock lock;
    int file = open(path, O_RDONLY);
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000000 + 2; /* SQLite's shared locks; see its file format */
    lock.l_len = 510;
    return file >= 0 && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1;
}

/* A process that closes any descriptor of a file lets go of all its locks on it. Another program would then take an
 * open vault for a closed one, clear away its log, and with it tokens that were acknowledged. */
static void locks_are_kept(void)
{
    panseal_open_options how = good_options();
    panseal_vault *first = NULL, *second = NULL;
    char root[512];
    snprintf(root, sizeof root, "file:%s/locks.root", directory);
    HOLDS(panseal_root_create(root, NULL) == PANSEAL_OK);
    how.url = url_of("locks.db");
    how.root = root;
    how.flags = PANSEAL_OPEN_CREATE;
    HOLDS(panseal_vault_open(&how, &first, NULL) == PANSEAL_OK);
    HOLDS(is_locked("locks.db"));
    HOLDS(panseal_vault_open(&how, &second, NULL) == PANSEAL_OK);
    holds("the vault is still locked after it was opened twice", is_locked("locks.db"));
    HOLDS(panseal_vault_close(second) == PANSEAL_OK);
    holds("the vault is still locked after one of two was closed", is_locked("locks.db"));
    how.root = root_of("cards.root");
    HOLDS(panseal_vault_open(&how, &second, NULL) == PANSEAL_E_ROOT_KEY);
    holds("the vault is still locked after a second opening failed", is_locked("locks.db"));
    HOLDS(panseal_vault_close(first) == PANSEAL_OK);
    HOLDS(!is_locked("locks.db"));
}

/* A thread that is cancelled within a call: the guard, which is inside it, waits until that is so. */
struct cancelled {
    panseal_vault *vault;
    pthread_barrier_t inside, asked;
    int kind, went_on;
    panseal_status status;
};

static int32_t wait_inside(void *userdata, const char *merchant, const char *actor, const char *kind, size_t count)
{
    struct cancelled *of = userdata;
    (void)merchant, (void)actor, (void)kind, (void)count;
    pthread_barrier_wait(&of->inside);
    pthread_barrier_wait(&of->asked);
    return 0;
}

static panseal_status store_in(panseal_vault *vault)
{
    panseal_instrument made;
    panseal_card card;
    PANSEAL_INIT(made);
    PANSEAL_INIT(card);
    card.number.ptr = NUMBER;
    card.number.len = sizeof NUMBER - 1;
    return panseal_vault_tokenize(vault, &card, NULL, &made, NULL);
}

static void *be_cancelled(void *argument)
{
    struct cancelled *of = argument;
    int before;
    pthread_setcanceltype(of->kind, &before);
    of->status = store_in(of->vault);
    pthread_testcancel();
    of->went_on = 1;
    return NULL;
}

static void cancelled_inside(int kind)
{
    static struct cancelled of;
    pthread_t thread;
    void *ended = NULL;
    memset(&of, 0, sizeof of);
    of.kind = kind;
    of.status = PANSEAL_E_INTERNAL;
    pthread_barrier_init(&of.inside, NULL, 2);
    pthread_barrier_init(&of.asked, NULL, 2);
    HOLDS(panseal_vault_merchant(good_vault, "cancelled", &of.vault, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_guard(of.vault, wait_inside, &of, NULL) == PANSEAL_OK);
    if (pthread_create(&thread, NULL, be_cancelled, &of) != 0) {
        abort();
    }
    pthread_barrier_wait(&of.inside);
    HOLDS(pthread_cancel(thread) == 0);
    pthread_barrier_wait(&of.asked);
    pthread_join(thread, &ended);
    holds("a call that was begun is finished before its thread is cancelled", of.status == PANSEAL_OK);
    holds("a thread is cancelled once its call is over", ended == PTHREAD_CANCELED && !of.went_on);
    HOLDS(panseal_vault_guard(of.vault, NULL, NULL, NULL) == PANSEAL_OK);
    holds("no lock was left behind", store_in(of.vault) == PANSEAL_OK);
    HOLDS(panseal_vault_close(of.vault) == PANSEAL_OK);
    pthread_barrier_destroy(&of.inside);
    pthread_barrier_destroy(&of.asked);
}

static void *store_for_ever(void *unused)
{
    (void)unused;
    for (;;) {
        if (store_in(good_vault) != PANSEAL_OK) {
            return NULL;
        }
        pthread_testcancel();
    }
}

/* Wherever they are at the moment. */
static void cancelled_anywhere(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (int round = 0; round < 5; ++round) {
        struct timespec pause = {0, 1000000L * (1 + 3 * round)};
        int ended_well = 1;
        for (int i = 0; i < THREADS; ++i) {
            if (pthread_create(&threads[i], NULL, store_for_ever, NULL) != 0) {
                abort();
            }
        }
        nanosleep(&pause, NULL);
        for (int i = 0; i < THREADS; ++i) {
            void *ended = NULL;
            pthread_cancel(threads[i]);
            pthread_join(threads[i], &ended);
            ended_well &= ended == PTHREAD_CANCELED;
        }
        HOLDS(ended_well);
        HOLDS(store_in(good_vault) == PANSEAL_OK);
    }
}

/* A vault and a keyring that were opened by relative paths are found from any folder, also by a child. */
static void folder_is_changed(void)
{
    panseal_open_options how = good_options(), ring = good_tokenizer_options();
    panseal_vault *vault = NULL;
    panseal_tokenizer *tokenizer = NULL;
    char here[512], token[PANSEAL_TOKEN_MAX];
    size_t len;
    pid_t child;
    HOLDS(getcwd(here, sizeof here) != NULL && chdir(directory) == 0);
    how.url = "sqlite:relative.db";
    how.flags = PANSEAL_OPEN_CREATE;
    ring.url = "relative.keyring";
    ring.flags = PANSEAL_OPEN_CREATE;
    how.root = ring.root = "file:cards.root";
    HOLDS(panseal_vault_open(&how, &vault, NULL) == PANSEAL_OK);
    HOLDS(panseal_tokenizer_open(&ring, &tokenizer, NULL) == PANSEAL_OK);
    HOLDS(chdir("/") == 0);
    HOLDS(store_in(vault) == PANSEAL_OK);
    HOLDS(panseal_vault_rotate(vault, NULL, NULL) == PANSEAL_OK);
    HOLDS(panseal_tokenizer_rotate(tokenizer, NULL, NULL) == PANSEAL_OK);
    child = fork();
    if (child == 0) {
        int good = store_in(vault) == PANSEAL_OK
            && panseal_tokenizer_tokenize(tokenizer, NUMBER, 16, token, sizeof token, &len, NULL) == PANSEAL_OK;
        _exit(good ? 0 : 1);
    }
    HOLDS(end_of(child) == 0);
    HOLDS(store_in(vault) == PANSEAL_OK);
    HOLDS(panseal_vault_close(vault) == PANSEAL_OK);
    HOLDS(panseal_tokenizer_close(tokenizer) == PANSEAL_OK);
    HOLDS(chdir(here) == 0);
}

/* Runs `row` in a child, which gives 0 for 'as it should be'. */
static void in_child(const char *name, int (*row)(void))
{
    pid_t child = fork();
    if (child == 0) {
        _exit(row());
    }
    holds(name, end_of(child) == 0);
}

/* Any code, but no crash, and none of a fault inside. */
static int is_code(panseal_status status)
{
    return status == PANSEAL_OK || (status >= PANSEAL_E_ROOT_KEY && status <= PANSEAL_E_FORK)
        || status == PANSEAL_E_LIMIT || status == PANSEAL_E_MEMORY;
}

static panseal_status open_another(void)
{
    panseal_open_options how = good_options();
    panseal_vault *vault = NULL;
    panseal_status status = panseal_vault_open(&how, &vault, NULL);
    return status == PANSEAL_OK ? panseal_vault_close(vault) : status;
}

/* A daemon opens its vault and lets its rights go: what is open stays so, what is not is refused. */
static int other_user(void)
{
    panseal_open_options how = good_options();
    panseal_vault *vault = NULL;
    enum { NOBODY = 65534 };
    if (geteuid() != 0) {
        return 0;
    }
    if (panseal_vault_open(&how, &vault, NULL) != PANSEAL_OK || store_in(vault) != PANSEAL_OK || setgid(NOBODY) != 0
        || setuid(NOBODY) != 0) {
        return 1;
    }
    return lookup(vault, known.token) == PANSEAL_OK && is_code(store_in(vault)) && is_code(open_another())
               && open_another() != PANSEAL_OK && panseal_vault_close(vault) == PANSEAL_OK
        ? 0
        : 2;
}

static void limit(int what, rlim_t most)
{
    struct rlimit limit;
    getrlimit(what, &limit);
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    setrlimit(what, &limit);
}

static int no_descriptors(void)
{
    if (lookup(good_vault, known.token) != PANSEAL_OK) {
        return 1;
    }
    limit(RLIMIT_NOFILE, 3);
    return is_code(open_another()) && open_another() != PANSEAL_OK && is_code(store_in(good_vault))
               && is_code(lookup(good_vault, known.token))
        ? 0
        : 2;
}

/* The system's signal for it would end any program that does not see to it. */
static int no_file_may_grow(void)
{
    panseal_status status;
    signal(SIGXFSZ, SIG_IGN);
    if (store_in(good_vault) != PANSEAL_OK) {
        return 1;
    }
    limit(RLIMIT_FSIZE, 4096);
    for (int i = 0; i < 50; ++i) {
        status = store_in(good_vault);
        if (!is_code(status)) {
            return 2;
        }
    }
    limit(RLIMIT_FSIZE, RLIM_INFINITY);
    return store_in(good_vault) == PANSEAL_OK && lookup(good_vault, known.token) == PANSEAL_OK ? 0 : 3;
}

static int no_locked_memory(void)
{
    limit(RLIMIT_MEMLOCK, 0);
    return is_code(open_another()) && is_code(store_in(good_vault)) ? 0 : 1;
}

static int little_stack(void)
{
    limit(RLIMIT_STACK, 64 << 10);
    return open_another() == PANSEAL_OK && store_in(good_vault) == PANSEAL_OK ? 0 : 1;
}

static void limits(void)
{
    in_child("a process that changes its user", other_user);
    in_child("a process without descriptors", no_descriptors);
    in_child("a process whose files may not grow", no_file_may_grow);
    in_child("a process that may lock no memory", no_locked_memory);
    in_child("a process with little stack", little_stack);
}

void process_rows(void)
{
    child_works();
    cancelled_inside(PTHREAD_CANCEL_DEFERRED);
    cancelled_inside(PTHREAD_CANCEL_ASYNCHRONOUS);
    cancelled_anywhere();
    folder_is_changed();
    limits();
    child_has_no_root_key();
    ROW(vault_lookup, PANSEAL_OK, c->vault = good_vault);
    locks_are_kept();
}
