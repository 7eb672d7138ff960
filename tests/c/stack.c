/* How much stack the functions of the library take, and that they leave alone what lies beside it.
 *
 *     stack measure DIRECTORY    each call's depth below its caller, in bytes: "depth Others 40000 vault_tokenize"
 *     stack small DIRECTORY N    calls about one number on a thread of N bytes, all others on as small a one as can be
 *     stack fibers DIRECTORY     all calls on stacks between patterns, which stay as they are
 *     stack plant DIRECTORY      a call on such a stack that writes below it, which must be noticed
 */
#define _GNU_SOURCE
#include "calls.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { PATTERN = 0xa5, LARGE = 4 << 20, FIBER = 8 << 10, SIGNAL = 16 << 10, BESIDE = 128 << 10 };

static const struct verb *now;
static panseal_status answered;

static void run(const struct verb *of)
{
    answered = of->run();
}

static void before(const struct verb *of)
{
    verb = of->names;
    now = of;
    if (of->before != NULL) {
        of->before();
    }
}

static void after(const struct verb *of)
{
    char why[64];
    if (answered != PANSEAL_OK) {
        snprintf(why, sizeof why, "answered %d, system code %d", (int)answered, (int)err.system);
        complain(why);
        if (of->failed != NULL) {
            of->failed();
        }
    } else if (of->after != NULL) {
        of->after();
    }
}

static int starts_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

/* Whether a call is about one number or text, with keys that are loaded if it needs any. */
static int needs_little(const struct verb *of)
{
    static const char *const others[] = {"vault_", "root_", "tokenizer_", "card_check_many"};
    static const char *const loaded[] = {"tokenizer_tokenize", "tokenizer_detokenize", "tokenizer_candidates",
                                         "tokenizer_retokenize"};
    for (size_t i = 0; i < sizeof loaded / sizeof *loaded; ++i) {
        /* With a handle that is opened for the call the keys are not loaded. */
        if (strcmp(of->names, loaded[i]) == 0 && of->before == NULL) {
            return 1;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
        if (starts_with(of->names, others[i])) {
            return 0;
        }
    }
    return 1;
}

/* ---- depth ---- */

static unsigned char *stack;
static size_t depth;

/* Paints all that lies below its frame, and looks how far down the paint is gone. */
static void *measure(void *unused)
{
    volatile unsigned char *frame = __builtin_frame_address(0), *at = stack;
    /* The frame itself is not painted. */
    volatile unsigned char *top = frame - 512;
    (void)unused;
    for (; at < top; ++at) {
        *at = PATTERN;
    }
    run(now);
    for (at = stack; at < top && *at == PATTERN; ++at) {
    }
    depth = (size_t)(frame - at);
    return NULL;
}

static void on_thread(void *(*work)(void *), size_t size)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || pthread_attr_setstack(&attributes, stack, size) != 0
        || pthread_create(&thread, &attributes, work, NULL) != 0) {
        complain("no thread");
        exit(1);
    }
    pthread_join(thread, NULL);
    munmap(stack, size);
    pthread_attr_destroy(&attributes);
}

static void measure_all(void)
{
    for (size_t i = 0; i < verb_count; ++i) {
        before(&verbs[i]);
        on_thread(measure, LARGE);
        after(&verbs[i]);
        printf("depth %s %zu %s\n", needs_little(&verbs[i]) ? "Numbers" : "Others", depth, verbs[i].names);
    }
}

/* ---- small threads ---- */

static void *just_run(void *unused)
{
    (void)unused;
    run(now);
    return NULL;
}

static void small_threads(size_t size)
{
    for (size_t i = 0; i < verb_count; ++i) {
        before(&verbs[i]);
        on_thread(just_run, needs_little(&verbs[i]) ? size : PTHREAD_STACK_MIN);
        after(&verbs[i]);
    }
}

/* ---- fibers and signals ---- */

static unsigned char *block;
static size_t room;
static ucontext_t here, fiber;
static int is_planted;

/* A stack with memory of somebody else's on both sides. */
static void make_block(size_t size)
{
    room = size;
    block = malloc(BESIDE + room + BESIDE);
    if (block == NULL) {
        exit(1);
    }
    memset(block, PATTERN, BESIDE + room + BESIDE);
}

static void check_block(void)
{
    char why[64];
    size_t changed = 0;
    for (size_t at = 0; at < BESIDE; ++at) {
        changed += block[at] != PATTERN;
        changed += block[BESIDE + room + at] != PATTERN;
    }
    if (changed > 0) {
        snprintf(why, sizeof why, "%zu bytes beside the stack were changed", changed);
        complain(why);
    }
    free(block);
}

static void on_fiber(void)
{
    run(now);
    if (is_planted) {
        memset(block + BESIDE - 16, 0, 16);
    }
}

static void fibers(void)
{
    manner = "on a fiber";
    for (size_t i = 0; i < verb_count; ++i) {
        before(&verbs[i]);
        make_block(FIBER);
        getcontext(&fiber);
        fiber.uc_stack.ss_sp = block + BESIDE;
        fiber.uc_stack.ss_size = room;
        fiber.uc_link = &here;
        makecontext(&fiber, on_fiber, 0);
        swapcontext(&here, &fiber);
        check_block();
        after(&verbs[i]);
    }
}

static void on_signal(int number)
{
    (void)number;
    run(now);
}

/* Raised by the program itself, so that the library is not interrupted by it. */
static void signals(void)
{
    struct sigaction action;
    stack_t alternate;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    manner = "on a signal's stack";
    for (size_t i = 0; i < verb_count; ++i) {
        before(&verbs[i]);
        make_block(SIGNAL);
        memset(&alternate, 0, sizeof alternate);
        alternate.ss_sp = block + BESIDE;
        alternate.ss_size = room;
        if (sigaltstack(&alternate, NULL) != 0) {
            exit(1);
        }
        raise(SIGUSR1);
        alternate.ss_flags = SS_DISABLE;
        sigaltstack(&alternate, NULL);
        check_block();
        after(&verbs[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || chdir(argv[2]) != 0) {
        return 3;
    }
    make_all();
    if (strcmp(argv[1], "measure") == 0) {
        measure_all();
    } else if (strcmp(argv[1], "small") == 0 && argc == 4) {
        manner = "on a thread of bytes";
        point = atol(argv[3]);
        small_threads((size_t)point);
    } else {
        is_planted = strcmp(argv[1], "plant") == 0;
        fibers();
        signals();
    }
    nothing_is_lost();
    close_all();
    printf("%d complaints\n", complaints);
    return complaints != 0;
}
