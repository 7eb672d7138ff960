/* A program's own allocator, which refuses when it is told to. Link starve.c into the program. */
#ifndef PANSEAL_TESTS_STARVE_H
#define PANSEAL_TESTS_STARVE_H

/* After so many more requests one is refused, or all are. */
void starve(long after, int for_good);

/* Refuses none from now on. How many were refused. */
long feed(void);

/* How many requests there have been since starve. */
long asked(void);

/* Gives the library pages for its reserve that cannot be used: a planted fault. To be called before the library is. */
void take_the_reserve(void);

#endif
