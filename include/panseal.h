/* panseal.h - check payment cards, turn card numbers into tokens, keep them in a vault.
 *
 * Generated from src/capi by `make header`; do not edit.
 *
 * HOW EVERY FUNCTION BEHAVES
 *  1. Result.   A function that can fail returns panseal_status: 0 is done, anything else is a code below.
 *               Outputs are written only on PANSEAL_OK. Two exceptions, no others: *len when the code is
 *               PANSEAL_E_BUFFER, and *err always. An output that may not be NULL is refused with
 *               PANSEAL_E_NULL before anything happens.
 *  2. Arguments come in one order: handle, inputs, options, outputs, err. A length follows its array.
 *  3. Text in.  What comes from outside (numbers, names, tokens, ids) is pointer + length and needs no NUL;
 *               a length over 65536 is PANSEAL_E_ARGUMENT. What a programmer writes (URL, scheme, merchant) is
 *               a NUL-terminated literal. NULL or length 0 means 'absent'.
 *  4. Text out. (char *out, size_t cap, size_t *len): `len` bytes are written, and a NUL after them where there
 *               is room; a field of exactly the right width (CHAR(16)) is big enough. Every maximum is a macro.
 *               A too small buffer is found BEFORE anything is done: PANSEAL_E_BUFFER, *len = enough, no effect.
 *               Input is read whole before output is written: the token may go where the number was.
 *  5. Memory.   The library gives the caller no memory and keeps none of the caller's after it returns.
 *               There is no free function. Secrets leave only into the caller's buffers: panseal_wipe them.
 *  6. Handles   are tickets in pointer's clothing: opaque, never an address, never to be dereferenced, never
 *               reused. NULL, garbage, closed, or of the wrong kind gives PANSEAL_E_HANDLE. Closing NULL is
 *               fine. Closing while another thread is inside is fine: that call finishes, later ones are
 *               refused, and the keys are wiped by whoever leaves last.
 *  7. Threads.  Any function, any handle, any thread, any time. After fork a vault reopens itself in the
 *               child; where its root key cannot be had again it answers PANSEAL_E_FORK.
 *  8. Structs   start with struct_size. Call PANSEAL_INIT(s), then set fields; zero always means 'default'.
 *               Also for err and outputs: a struct that was not initialised is PANSEAL_E_STRUCT, nothing done.
 *               Fields are only ever added at the end; an input with an unknown non-zero tail is refused, an
 *               output is filled as far as the caller's size reaches. Structs may lie at any alignment.
 *  9. The library never prints, exits, aborts, raises or catches signals; a panic inside is PANSEAL_E_INTERNAL.
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

/* ---- library --------------------------------------------------------------------------------------------- */

/* Grows with additions; a break changes the soname instead. */
#define PANSEAL_ABI 1

/* The most digits of a card number. */
#define PANSEAL_PAN_MAX 19

/* The longest token, in bytes. */
#define PANSEAL_TOKEN_MAX 64

/* The longest name of a network, in bytes. */
#define PANSEAL_NETWORK_MAX 23

/* The longest number as it is displayed, in bytes. */
#define PANSEAL_MASK_MAX 31

/* The longest merchant, customer or actor, in bytes. */
#define PANSEAL_ID_MAX 64

/* The longest reason for a detokenization, in bytes. */
#define PANSEAL_REASON_MAX 256

/* The most violations of one card. */
#define PANSEAL_VIOLATION_MAX 8

/* Size of a token's field in a struct: the maximum and a NUL, filled up to a multiple of eight. */
#define PANSEAL_TOKEN_ROOM 72

/* Size of a customer's field in a struct. */
#define PANSEAL_ID_ROOM 72

/* Size of a network's field in a struct. */
#define PANSEAL_NETWORK_ROOM 24

/* Size of a masked number's field in a struct. */
#define PANSEAL_MASK_ROOM 32

/* The card number. */
#define PANSEAL_PARAM_NUMBER 1

/* The expiry, month and year together. */
#define PANSEAL_PARAM_EXPIRY 2

/* The card verification value. */
#define PANSEAL_PARAM_CVV 3

/* The cardholder's name. */
#define PANSEAL_PARAM_NAME 4

/* The postal code. */
#define PANSEAL_PARAM_POSTAL_CODE 5

/* The metadata. */
#define PANSEAL_PARAM_METADATA 6

/* What became of a call, a row, or a field of a card: PANSEAL_OK or one of the codes below. */
typedef int32_t panseal_status;

/* One thing that is wrong with one field of a card. */
typedef struct panseal_violation {
    /* Which field: PANSEAL_PARAM_... */
    int32_t param;
    /* What is wrong with it: PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG. */
    panseal_status code;
} panseal_violation;

/* What went wrong, in numbers only: no text, no pointer, never a byte of the input.
 *
 * The last argument of every function that does real work; NULL where nobody wants it. */
typedef struct panseal_error {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* The same as the return value. */
    panseal_status code;
    /* errno, or the database's own code, or 0. */
    int32_t system;
    /* How many of the violations are set. */
    uint32_t violation_count;
    /* Why a card was refused, at most one a field. */
    panseal_violation violations[PANSEAL_VIOLATION_MAX];
} panseal_error;

/* A text from outside: `len` bytes, no NUL needed. NULL or length 0 means 'absent'. */
typedef struct panseal_text {
    /* Its first byte. */
    const char *ptr;
    /* How many bytes. */
    size_t len;
} panseal_text;

/* Done. */
#define PANSEAL_OK 0

/* A pointer that must not be NULL is. */
#define PANSEAL_E_NULL 1

/* A value out of range, an unknown flag or name. */
#define PANSEAL_E_ARGUMENT 2

/* struct_size is 0 or too small, or the part of a struct that this version does not know is not zero. */
#define PANSEAL_E_STRUCT 3

/* The output is too small; *len says how much is enough; nothing happened. */
#define PANSEAL_E_BUFFER 4

/* Not an open handle of this kind. */
#define PANSEAL_E_HANDLE 5

/* A text is not UTF-8. */
#define PANSEAL_E_UTF8 6

/* A callback asked to stop. */
#define PANSEAL_E_CALLBACK 7

/* Left out of this build: see panseal_has_feature. */
#define PANSEAL_E_UNSUPPORTED 8

/* Too many open handles, rows or bytes. */
#define PANSEAL_E_LIMIT 9

/* The card was refused; err lists why. The codes 101 to 109 are those of violations. */
#define PANSEAL_E_CARD 100

/* A field that is needed is absent. */
#define PANSEAL_E_MISSING 101

/* A field is not of its form. */
#define PANSEAL_E_MALFORMED 102

/* A number or cvv has a length that its network does not use. */
#define PANSEAL_E_LENGTH 103

/* A number fails the Luhn check of ISO/IEC 7812-1. */
#define PANSEAL_E_LUHN 104

/* A number is of no known network. */
#define PANSEAL_E_NETWORK 105

/* A card has expired. */
#define PANSEAL_E_EXPIRED 106

/* An expiry lies further ahead than cards are issued. */
#define PANSEAL_E_TOO_FAR 107

/* A text has characters that the field does not take. */
#define PANSEAL_E_CHARSET 108

/* A text is longer than the field takes. */
#define PANSEAL_E_TOO_LONG 109

/* No such token: unknown, malformed, or another merchant's. Deliberately one answer. */
#define PANSEAL_E_TOKEN 200

/* The instrument was deactivated. */
#define PANSEAL_E_INACTIVE 201

/* Too few hidden digits for this token scheme. */
#define PANSEAL_E_DOMAIN 202

/* The token space is exhausted. */
#define PANSEAL_E_EXHAUSTED 203

/* The token scheme, or this handle, has no way back. */
#define PANSEAL_E_IRREVERSIBLE 204

/* The root key is absent, malformed, readable by others, or not the right one. */
#define PANSEAL_E_ROOT_KEY 205

/* The epoch is destroyed, or still needed. */
#define PANSEAL_E_EPOCH 206

/* The database failed; err->system has its code. */
#define PANSEAL_E_STORE 300

/* The database is in use: try again. */
#define PANSEAL_E_BUSY 301

/* There is no vault at that place. */
#define PANSEAL_E_NOT_A_VAULT 302

/* The vault was written by a newer version. */
#define PANSEAL_E_SCHEMA_NEWER 303

/* A sealed field does not open: the vault was changed from outside. */
#define PANSEAL_E_TAMPERED 304

/* The idempotency key was used with another card. */
#define PANSEAL_E_CONFLICT 305

/* The process was forked and the root key cannot be had again. */
#define PANSEAL_E_FORK 306

/* A fault inside panseal. */
#define PANSEAL_E_INTERNAL 999

/* The ABI of the library that is running: at least the PANSEAL_ABI that the caller was compiled with. */
PANSEAL_API uint32_t panseal_abi(void);

/* The version of the library that is running, "1.2.3". Static. */
PANSEAL_API const char *panseal_version(void);

/* Whether this build, on this machine, has a feature: "mlock" (keys are locked in memory), "postgres", "ff1".
 * 1, or 0 also for a name that is not known and for NULL. */
PANSEAL_API int32_t panseal_has_feature(const char *name);

/* A status in English. Static, never NULL, also for a number that is no status. */
PANSEAL_API const char *panseal_status_text(panseal_status code);

/* The name of a card's field: "number", "expiry", "cvv", "name", "postal_code", "metadata". Static; "" for a number
 * that is no field. */
PANSEAL_API
const char *panseal_param_name(int32_t param);

/* The name of a network: "VISA"; "UNKNOWN" for 0. Static; "" for a number that is no network. */
PANSEAL_API const char *panseal_network_name(int32_t network);

/* Overwrites memory with zeros, and is never optimised away. NULL is fine. */
PANSEAL_API void panseal_wipe(void *memory, size_t len);

/* Zeroes a struct and sets its struct_size: use PANSEAL_INIT. NULL and a size below four are left alone. */
PANSEAL_API void panseal_struct_init(void *record, size_t size);

/* ---- cards ----------------------------------------------------------------------------------------------- */

/* Digits only: no spaces, no hyphens. */
#define PANSEAL_CARD_STRICT 1

/* An absent expiry is a violation. */
#define PANSEAL_CARD_NEED_EXPIRY 2

/* An absent cvv is a violation. */
#define PANSEAL_CARD_NEED_CVV 4

/* Card data as it came in. Used to check and to tokenize; nothing of the cvv and the postal code is kept. */
typedef struct panseal_card {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_CARD_..., or 0. */
    uint32_t flags;
    /* 1..12; 0, and the year 0, where no expiry is given. */
    int32_t expiry_month;
    /* 0..99, meaning 2000..2099, or 2000..2099. */
    int32_t expiry_year;
    /* Seconds since 1970 UTC to judge the expiry by; 0: the system clock. */
    int64_t now;
    /* 12 to 19 digits, spaces and hyphens between them. */
    panseal_text number;
    /* 3 or 4 digits, by network. Checked and never kept. */
    panseal_text cvv;
    /* The cardholder, UTF-8, Latin script, up to 26 characters. */
    panseal_text name;
    /* US ZIP or ZIP+4. Checked and not kept. */
    panseal_text postal_code;
} panseal_card;

/* What may be shown and stored of a card. NUL-terminated ASCII. */
typedef struct panseal_card_info {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* How many digits the number has. */
    uint32_t number_length;
    /* "VISA", "UNKNOWN". */
    char network[PANSEAL_NETWORK_ROOM];
    /* "VISA_ELECTRON", or "". */
    char product[PANSEAL_NETWORK_ROOM];
    /* "424242******4242". */
    char masked[PANSEAL_MASK_ROOM];
    /* The last four digits. */
    char last4[8];
} panseal_card_info;

/* Checks a card: PANSEAL_OK, or PANSEAL_E_CARD with all violations in err, at most one a field. `info` (may be
 * NULL) is written on PANSEAL_OK only. */
PANSEAL_API
panseal_status panseal_card_check(const panseal_card *card,
                                  panseal_card_info *info,
                                  panseal_error *err);

/* How a number is displayed: the first six digits and the last four, the last four alone below 15 digits:
 * "424242******4242". `flags` is 0. At most PANSEAL_MASK_MAX bytes. The number is not checked beyond its form. */
PANSEAL_API
panseal_status panseal_card_mask(const char *number,
                                 size_t number_len,
                                 uint32_t flags,
                                 char *out,
                                 size_t cap,
                                 size_t *len);

/* ---- root keys ------------------------------------------------------------------------------------------- */

/* Makes a new random root key at "file:PATH", readable by its owner alone. Never overwrites: PANSEAL_E_ROOT_KEY with
 * err->system EEXIST where something is there already. Keep it away from the vault, and keep a copy: without it
 * nothing can be opened. */
PANSEAL_API
panseal_status panseal_root_create(const char *root,
                                   panseal_error *err);

/* ---- vault ----------------------------------------------------------------------------------------------- */

/* Make the vault where there is none; otherwise that is PANSEAL_E_NOT_A_VAULT. */
#define PANSEAL_OPEN_CREATE 1

/* This handle never detokenizes: a till that only sells. */
#define PANSEAL_OPEN_NO_REVEAL 2

/* A new token for each call. */
#define PANSEAL_REUSE_NEVER 0

/* A handle on a vault: a ticket, never to be dereferenced. */
typedef struct panseal_vault panseal_vault;

/* How to open a vault. The texts end with a NUL. */
typedef struct panseal_open_options {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_OPEN_..., or 0. */
    uint32_t flags;
    /* "sqlite:cards.db". */
    const char *url;
    /* The root key: "file:PATH". */
    const char *root;
    /* The tenant that this handle works for; NULL is "". */
    const char *merchant;
    /* How tokens are made: "random"; NULL is "random". */
    const char *scheme;
    /* Who acts, for the audit trail; NULL is "". */
    const char *actor;
    /* How long to wait for another writer before PANSEAL_E_BUSY; 0 is 5000. */
    uint32_t busy_timeout_ms;
    /* 0. */
    uint32_t reserved;
} panseal_open_options;

/* How to tokenize. */
typedef struct panseal_tokenize_options {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_REUSE_NEVER. */
    int32_t reuse;
    /* NULL: the handle's. */
    const char *scheme;
    /* Whose card it is, UTF-8, up to PANSEAL_ID_MAX bytes. */
    panseal_text customer;
} panseal_tokenize_options;

/* A stored card, as it may be shown. Texts end with a NUL; times are seconds since 1970 UTC. */
typedef struct panseal_instrument {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 1, or 0 after panseal_vault_deactivate. */
    int32_t active;
    /* 1: the token existed before this call. */
    int32_t reused;
    /* 1..12, or 0 where no expiry was given. */
    int32_t expiry_month;
    /* 2000..2099, or 0. */
    int32_t expiry_year;
    /* The epoch under which the number is sealed. */
    uint32_t epoch;
    /* When the token was made. */
    int64_t created_at;
    /* Until when it is kept; 0: for ever. */
    int64_t keep_until;
    /* What stands for the card number. */
    char token[PANSEAL_TOKEN_ROOM];
    /* Whose card it is, or "". */
    char customer[PANSEAL_ID_ROOM];
    /* "VISA", "UNKNOWN". */
    char network[PANSEAL_NETWORK_ROOM];
    /* "424242******4242". */
    char masked[PANSEAL_MASK_ROOM];
    /* The last four digits. */
    char last4[8];
} panseal_instrument;

/* Opens a vault. The root key is fetched first; if it cannot be had, no file is made. A file that is something
 * else than a vault is left as it is. */
PANSEAL_API
panseal_status panseal_vault_open(const panseal_open_options *how,
                                  panseal_vault **out,
                                  panseal_error *err);

/* Closes a handle. NULL is fine. Calls that are inside finish; the vault is closed when its last handle is. */
PANSEAL_API panseal_status panseal_vault_close(panseal_vault *vault);

/* A second handle, on the same store and keys, for another merchant. To be closed as any other. */
PANSEAL_API
panseal_status panseal_vault_merchant(panseal_vault *vault,
                                      const char *merchant,
                                      panseal_vault **out,
                                      panseal_error *err);

/* Checks a card, stores it, and gives its token, which is on disk on PANSEAL_OK. `options` may be NULL.
 *
 * PANSEAL_E_CARD with all violations in err where the card is refused; nothing is stored then. */
PANSEAL_API
panseal_status panseal_vault_tokenize(panseal_vault *vault,
                                      const panseal_card *card,
                                      const panseal_tokenize_options *options,
                                      panseal_instrument *out,
                                      panseal_error *err);

/* What may be shown of a token's card. */
PANSEAL_API
panseal_status panseal_vault_lookup(panseal_vault *vault,
                                    const char *token,
                                    size_t token_len,
                                    panseal_instrument *out,
                                    panseal_error *err);

/* The card number of a token, up to PANSEAL_PAN_MAX digits. panseal_wipe it after use.
 *
 * `reason` (UTF-8, 1 to PANSEAL_REASON_MAX bytes) is written to the vault's audit trail with actor, time and token
 * before the number is given out. PANSEAL_E_IRREVERSIBLE on a handle opened with PANSEAL_OPEN_NO_REVEAL. */
PANSEAL_API
panseal_status panseal_vault_detokenize(panseal_vault *vault,
                                        const char *token,
                                        size_t token_len,
                                        const char *reason,
                                        size_t reason_len,
                                        char *number,
                                        size_t cap,
                                        size_t *len,
                                        panseal_error *err);

/* Takes a token out of use: it can still be looked up, and no longer be detokenized. Doing so twice is fine. */
PANSEAL_API
panseal_status panseal_vault_deactivate(panseal_vault *vault,
                                        const char *token,
                                        size_t token_len,
                                        panseal_error *err);

/* Zeroes a struct and sets its struct_size: PANSEAL_INIT(card). */
#define PANSEAL_INIT(record) panseal_struct_init(&(record), sizeof(record))

#ifdef __cplusplus
}
#endif
#endif /* PANSEAL_H */
