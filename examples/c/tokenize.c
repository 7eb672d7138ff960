/* tokenize.c - a card number in, a token out. C89.
 *
 *     tokenize VAULT ROOT            tokenizes a test card
 *     tokenize VAULT ROOT -          reads a card number from standard input
 *
 * VAULT is a URL such as sqlite:cards.db, ROOT a root key such as file:cards.root; both are made where they are
 * not there yet. The token is written to standard output, all else to standard error. A card number is never an
 * argument: arguments can be read by everybody on the machine.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "panseal.h"

static const char test_card[] = "4242 4242 4242 4242";

static int refuse(const char *what, const panseal_error *error)
{
    uint32_t i;

    fprintf(stderr, "%s: %s", what, panseal_status_text(error->code));
    for (i = 0; i < error->violation_count; i++) {
        fprintf(stderr, "; %s %s", panseal_param_name(error->violations[i].param),
                panseal_status_text(error->violations[i].code));
    }
    if (error->system != 0) {
        fprintf(stderr, " (system code %ld)", (long)error->system);
    }
    fputc('\n', stderr);
    return 1;
}

/* Reads a line without stdio, whose buffer would keep a copy that nobody wipes. */
static size_t read_number(char *number, size_t room, int from_input)
{
    size_t len = 0;

    if (!from_input) {
        len = strlen(test_card);
        memcpy(number, test_card, len);
        return len;
    }
    setvbuf(stdin, NULL, _IONBF, 0);
    while (len < room) {
        int c = getchar();
        if (c == EOF || c == '\n' || c == '\r') {
            break;
        }
        number[len++] = (char)c;
    }
    return len;
}

/* Makes the root key where there is none. */
static int have_root(const char *root, panseal_error *error)
{
    panseal_status status = panseal_root_create(root, error);

    return status == PANSEAL_OK || (status == PANSEAL_E_ROOT_KEY && error->system == EEXIST);
}

static int tokenize(panseal_vault *vault, const char *number, size_t len, panseal_error *error)
{
    panseal_card card;
    panseal_tokenize_options options;
    panseal_instrument made;

    PANSEAL_INIT(card);
    card.number.ptr = number;
    card.number.len = len;
    card.expiry_month = 12;
    card.expiry_year = 2030;
    card.name.ptr = "ADA BYRON";
    card.name.len = 9;
    PANSEAL_INIT(options);
    options.customer.ptr = "c-1";
    options.customer.len = 3;
    PANSEAL_INIT(made);
    if (panseal_vault_tokenize(vault, &card, &options, &made, error) != PANSEAL_OK) {
        return refuse("the card was not tokenized", error);
    }
    fprintf(stderr, "%s %s is now token %s\n", made.network, made.masked, made.token);
    printf("%s\n", made.token);
    return 0;
}

int main(int argc, char **argv)
{
    panseal_open_options how;
    panseal_vault *vault;
    panseal_error error;
    char number[64];
    size_t len;
    int failed;

    if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "-") != 0)) {
        fprintf(stderr, "usage: %s sqlite:PATH file:PATH [-]\n", argv[0]);
        return 2;
    }
    PANSEAL_INIT(error);
    if (!have_root(argv[2], &error)) {
        return refuse("no root key", &error);
    }
    PANSEAL_INIT(how);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = argv[1];
    how.root = argv[2];
    how.actor = "tokenize.c";
    if (panseal_vault_open(&how, &vault, &error) != PANSEAL_OK) {
        return refuse("no vault", &error);
    }
    len = read_number(number, sizeof number, argc == 4);
    failed = tokenize(vault, number, len, &error);
    panseal_wipe(number, sizeof number);
    panseal_vault_close(vault);
    return failed;
}
