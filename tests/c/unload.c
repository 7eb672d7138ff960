/* Loads the library, unloads it while a thread is inside a call, and goes on with what it has.
 *
 *     unload LIBRARY DIRECTORY
 */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <panseal.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static panseal_status (*open_vault)(const panseal_open_options *, panseal_vault **, panseal_error *);
static panseal_status (*tokenize)(panseal_vault *, const panseal_card *, const panseal_tokenize_options *,
                                  panseal_instrument *, panseal_error *);
static panseal_status (*set_guard)(panseal_vault *, panseal_guard_fn, void *, panseal_error *);
static panseal_status (*close_vault)(panseal_vault *);
static panseal_status (*create_root)(const char *, panseal_error *);

static panseal_vault *vault;
static pthread_barrier_t inside, unloaded;
static panseal_status answered;

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        printf("no %s\n", name);
        _exit(1);
    }
    return found;
}

/* A function's address out of a pointer to data, as POSIX has it. */
#define LOAD(function, name) \
    do { \
        void *found = symbol(library, name); \
        memcpy(&function, &found, sizeof function); \
    } while (0)

static int32_t wait_inside(void *userdata, const char *merchant, const char *actor, const char *kind, size_t count)
{
    (void)userdata, (void)merchant, (void)actor, (void)kind, (void)count;
    pthread_barrier_wait(&inside);
    pthread_barrier_wait(&unloaded);
    return 0;
}

static panseal_status store(void)
{
    panseal_card card;
    panseal_instrument made;
    memset(&card, 0, sizeof card);
    memset(&made, 0, sizeof made);
    card.struct_size = sizeof card;
    made.struct_size = sizeof made;
    card.number.ptr = "4242424242424242";
    card.number.len = 16;
    return tokenize(vault, &card, NULL, &made, NULL);
}

static void *run(void *unused)
{
    (void)unused;
    answered = store();
    return NULL;
}

static int failed(const char *what)
{
    printf("%s\n", what);
    return 1;
}

int main(int argc, char **argv)
{
    panseal_open_options how;
    pthread_t thread;
    void *library;
    if (argc != 3 || chdir(argv[2]) != 0 || (library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) == NULL) {
        return failed("it does not load");
    }
    LOAD(open_vault, "panseal_vault_open");
    LOAD(tokenize, "panseal_vault_tokenize");
    LOAD(set_guard, "panseal_vault_guard");
    LOAD(close_vault, "panseal_vault_close");
    LOAD(create_root, "panseal_root_create");
    memset(&how, 0, sizeof how);
    how.struct_size = sizeof how;
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = "sqlite:cards.db";
    how.root = "file:cards.root";
    pthread_barrier_init(&inside, NULL, 2);
    pthread_barrier_init(&unloaded, NULL, 2);
    if (create_root(how.root, NULL) != PANSEAL_OK || open_vault(&how, &vault, NULL) != PANSEAL_OK
        || set_guard(vault, wait_inside, NULL, NULL) != PANSEAL_OK
        || pthread_create(&thread, NULL, run, NULL) != 0) {
        return failed("no vault");
    }
    pthread_barrier_wait(&inside);
    if (dlclose(library) != 0) {
        return failed("it does not unload");
    }
    pthread_barrier_wait(&unloaded);
    pthread_join(thread, NULL);
    if (answered != PANSEAL_OK) {
        return failed("the call that was inside was lost");
    }
    if (set_guard(vault, NULL, NULL, NULL) != PANSEAL_OK || store() != PANSEAL_OK) {
        return failed("the functions are gone");
    }
    return close_vault(vault) == PANSEAL_OK ? 0 : failed("the vault does not close");
}
