/* One vault and more than one process: handles across a fork, and what other processes rely on. */
#include "misuse.h"

#include <fcntl.h>
#include <spawn.h>
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

void process_rows(void)
{
    child_works();
    child_has_no_root_key();
    ROW(vault_lookup, PANSEAL_OK, c->vault = good_vault);
    locks_are_kept();
}
