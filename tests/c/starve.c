/* An allocator that refuses when it is told to, in the place of the system's: for the whole program, the library and
 * SQLite. See starve.h. */
#define _GNU_SOURCE
#include "starve.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The allocator's own names, which need no dlsym. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* Pages that the library keeps aside come in one piece of this size. */
enum { RESERVE = 4 << 20 };

static int is_armed, is_for_good, takes_the_reserve;
static long left, requests, refused;

void starve(long after, int for_good)
{
    left = after;
    is_for_good = for_good;
    requests = refused = 0;
    is_armed = 1;
}

long feed(void)
{
    is_armed = 0;
    return refused;
}

long asked(void)
{
    return requests;
}

void take_the_reserve(void)
{
    takes_the_reserve = 1;
}

static int refuses(void)
{
    if (!is_armed) {
        return 0;
    }
    ++requests;
    if (left-- == 0 || (is_for_good && left < 0)) {
        ++refused;
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

void *malloc(size_t size)
{
    return refuses() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refuses() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return refuses() ? NULL : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size)
{
    return refuses() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *given = memalign(alignment, size);
    if (given == NULL) {
        return ENOMEM;
    }
    *block = given;
    return 0;
}

/* Files are mapped as ever: what is counted is memory. */
void *mmap(void *at, size_t size, int access, int kind, int file, off_t offset)
{
    if ((kind & MAP_ANONYMOUS) != 0 && refuses()) {
        return MAP_FAILED;
    }
    if (takes_the_reserve && (kind & MAP_ANONYMOUS) != 0 && size == RESERVE) {
        access = PROT_NONE;
    }
    return (void *)syscall(SYS_mmap, at, size, access, kind, file, offset);
}
