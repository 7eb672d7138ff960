/* panseal.h - check payment cards, turn card numbers into tokens, keep them in a vault.
 *
 * Generated from src/capi by `make header`; do not edit.
 *
 * HOW EVERY FUNCTION BEHAVES
 *  1. Result.   A function that can fail returns panseal_status: 0 is done, anything else is a code below.
 *               Outputs are written only on PANSEAL_OK. Three exceptions, no others: *len (or *count) when the
 *               code is PANSEAL_E_BUFFER, *err always, and the rows of a _many call that its end cut short. An
 *               output that may not be NULL is refused with PANSEAL_E_NULL before anything happens.
 *  2. Arguments come in one order: handle, inputs, options, outputs, err. A length follows its array.
 *  3. Text in.  What comes from outside (numbers, names, tokens, ids) is pointer + length and needs no NUL;
 *               a length over 65536 is PANSEAL_E_ARGUMENT. What a programmer writes (URL, scheme, merchant) is
 *               a NUL-terminated literal. NULL or length 0 means 'absent'.
 *  4. Text out. (char *out, size_t cap, size_t *len): `len` bytes are written, and a NUL after them where there
 *               is room; a field of exactly the right width (CHAR(16)) is big enough. Every maximum is a macro.
 *               A too small buffer is found BEFORE anything is done: PANSEAL_E_BUFFER, *len = enough, no effect.
 *               panseal_vault_detokenize asks for PANSEAL_PAN_MAX bytes whatever the number's length.
 *               Input is read whole before output is written: the token may go where the number was (not in
 *               a _many call).
 *  5. Memory.   The library gives the caller no memory and keeps none of the caller's after it returns.
 *               There is no free function. Secrets leave only into the caller's buffers: panseal_wipe them.
 *  6. Handles   are tickets in pointer's clothing: opaque, never an address, never to be dereferenced, never
 *               reused. NULL, garbage, closed, or of the wrong kind gives PANSEAL_E_HANDLE. Closing NULL is
 *               fine. Closing while another thread is inside is fine: that call finishes, later ones are
 *               refused, and the keys are wiped by whoever leaves last.
 *  7. Threads.  Any function, any handle, any thread, any time. After fork a vault or tokenizer reopens
 *               itself in the child; where its root key cannot be had again it answers PANSEAL_E_FORK.
 *  8. Structs   start with struct_size. Call PANSEAL_INIT(s), then set fields; zero always means 'default'.
 *               Also for err and outputs: a struct that was not initialised is PANSEAL_E_STRUCT, nothing done.
 *               Fields are only ever added at the end; an input with an unknown non-zero tail is refused, an
 *               output is filled as far as the caller's size reaches. Structs may lie at any alignment.
 *  9. Callbacks get `userdata` first and return 0 for done; anything else ends the call with
 *               PANSEAL_E_CALLBACK. Pointers given to them are good until they return. They may call panseal,
 *               but not use the handle that they are called for, except to close it.
 * 10. The library never prints, exits, aborts, raises or catches signals; a panic inside is PANSEAL_E_INTERNAL.
 *               pthread_cancel waits until the call is over; a thread of the asynchronous type is of the deferred
 *               type from its first call on.
 * 11. Stack.   Below its caller's frame a call needs at most, as measured on x86-64 Linux (elsewhere, count on twice
 *               as much):
 *                   12 KiB  Numbers: cards, readers, the scanner, tokens of a tokenizer whose keys are loaded
 *                   48 KiB  Others: columns, keys, vaults in SQLite and in memory
 *                   96 KiB  PostgreSQL: vaults there
 *               On Linux, on x86-64 and AArch64, a call of the latter two runs on a stack of the library's own, 900 KiB
 *               of it, where less than 160 KiB is left. So does every call where the stack is not the thread's, as in
 *               a fiber or on a signal's stack: 8 KiB of that are enough. Nothing beyond the stack is wiped. A
 *               callback runs on the stack of its call.
 */
#ifndef PANSEAL_H
#define PANSEAL_H

#include <stddef.h>
#if defined(_MSC_VER) && _MSC_VER < 1600           /* a till's compiler may be older than <stdint.h> */
typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef __int64 int64_t;
typedef unsigned __int64 uint64_t;
#else
#include <stdint.h>
#endif

#if defined(_WIN32)
#  if defined(PANSEAL_SHARED)
#    define PANSEAL_API __declspec(dllimport)      /* opt in: static linking works by default */
#  else
#    define PANSEAL_API
#  endif
#else
#  define PANSEAL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif
