/* Every function of the library while memory runs out: each request for memory in the call is refused once, and then
 * that one and all after it. The call must be done, or answer PANSEAL_E_MEMORY and leave everything as it was; the
 * process goes on, and nothing is lost.
 *
 *     starved points DIRECTORY N     at most N failing points a function, 0: all; the last line counts
 *     starved limit DIRECTORY        all calls of a process whose address space may not grow
 *     starved plant DIRECTORY        the first without a reserve: the process must die of it
 *     starved names                  the functions that are called
 */
#define _GNU_SOURCE
#include "calls.h"
#include "starve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static panseal_status run_starved(const struct verb *of, long after, int for_good, long *refused)
{
    panseal_status status;
    PANSEAL_INIT(err);
    starve(after, for_good);
    status = of->run();
    *refused = feed();
    return status;
}

/* A call is done, or there was no memory and it is not; the next one starts from the same place. */
static void judge(const struct verb *of, panseal_status status)
{
    char why[160];
    if (status != PANSEAL_OK && status != PANSEAL_E_MEMORY) {
        snprintf(why, sizeof why, "answered %d, system code %d", (int)status, (int)err.system);
        complain(why);
    }
    if (of->undone != NULL && of->undone() != (status != PANSEAL_OK)) {
        complain(status == PANSEAL_OK ? "says that it was done" : "says that it was not done");
    }
    if (status == PANSEAL_OK && of->after != NULL) {
        of->after();
    } else if (status != PANSEAL_OK && of->failed != NULL) {
        of->failed();
    }
}

/* One call with one failing point. */
static void one_point(const struct verb *of, long after, int for_good)
{
    struct state before;
    panseal_status status;
    long refused;
    if (of->before != NULL) {
        of->before();
    }
    before = look_at_all();
    status = run_starved(of, after, for_good, &refused);
    if (status == PANSEAL_E_MEMORY && refused == 0) {
        complain("says that there is no memory, and there is");
    }
    if (status == PANSEAL_E_MEMORY && !of->in_pieces && !same(before, look_at_all())) {
        complain("answered PANSEAL_E_MEMORY and changed something");
    }
    judge(of, status);
}

static long points_of(const struct verb *of, long at_most)
{
    long requests, step, done = 0;
    verb = of->names;
    manner = "all is given, request";
    point = -1;
    one_point(of, -2, 0);
    requests = asked();
    step = at_most == 0 || requests <= at_most ? 1 : (requests + at_most - 1) / at_most;
    for (int for_good = 0; for_good < 2; ++for_good) {
        manner = for_good ? "refusal of all from request" : "refusal of request";
        for (point = 0; point < requests; point += step, ++done) {
            one_point(of, point, for_good);
        }
        nothing_is_lost();
    }
    return done;
}

/* ---- a limit of the system's ---- */

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) {
        complain("no /proc/self/statm");
        exit(1);
    }
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void limit_to(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &limit);
}

/* One call of a process that may grow by so many bytes. */
static void one_limited(const struct verb *of, rlim_t more)
{
    panseal_status status;
    verb = of->names;
    point = (long)more;
    if (of->before != NULL) {
        of->before();
    }
    limit_to(address_space() + more);
    status = of->run();
    limit_to(RLIM_INFINITY);
    judge(of, status);
}

static long limited(void)
{
    static const rlim_t more[] = {0, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20};
    long done = 0;
    manner = "a limit of growth to";
    for (size_t i = 0; i < sizeof more / sizeof *more; ++i) {
        for (size_t at = 0; at < verb_count; ++at, ++done) {
            one_limited(&verbs[at], more[i]);
        }
        nothing_is_lost();
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; ++i, ++done) {
        one_limited(&most, more[i]);
    }
    return done;
}

/* ---- the program ---- */

/* Whatever ends the process says where. */
static void died(int signal)
{
    char line[200];
    int length = snprintf(line, sizeof line, "%s, %s %ld: signal %d\n", verb, manner, point, signal);
    if (length > 0 && write(STDOUT_FILENO, line, (size_t)length) != length) {
        _exit(3);
    }
    _exit(2);
}

static long points(long at_most)
{
    long done = 0;
    for (size_t i = 0; i < verb_count; ++i) {
        done += points_of(&verbs[i], at_most);
    }
    return done;
}

static int end_with(long done)
{
    close_all();
    printf("%ld failing points, %d complaints\n", done, complaints);
    return complaints != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "names") == 0) {
        for (size_t i = 0; i < verb_count; ++i) {
            printf("%s\n", verbs[i].names);
        }
        return 0;
    }
    if (argc < 3 || chdir(argv[2]) != 0) {
        return 3;
    }
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    signal(SIGBUS, died);
    if (strcmp(argv[1], "plant") == 0) {
        take_the_reserve();
    }
    make_all();
    if (strcmp(argv[1], "limit") == 0) {
        return end_with(limited());
    }
    return end_with(points(argc == 4 ? atol(argv[3]) : 0));
}
