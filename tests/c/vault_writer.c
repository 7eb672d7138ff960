/* Stores cards in a vault for a while: one of several programs that do so at once. C89.
 *
 *     vault_writer VAULT ROOT SECONDS WRITER
 *
 * Every token that was acknowledged is written to standard output with its number: these are numbers for tests.
 */
#include <panseal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CARDS = 50 };

/* The number at a place, 16 digits with a check digit; those of the other programs are the same. */
static void make_number(char *number, int place)
{
    int sum = 0, i;

    sprintf(number, "41234500%07d0", place);
    for (i = 0; i < 15; i++) {
        int value = (number[i] - '0') * (i % 2 == 0 ? 2 : 1);
        sum += value > 9 ? value - 9 : value;
    }
    number[15] = (char)('0' + (10 - sum % 10) % 10);
}

static int store(panseal_vault *vault, const char *number)
{
    panseal_card card;
    panseal_tokenize_options options;
    panseal_instrument made;
    panseal_error error;
    panseal_status status;

    PANSEAL_INIT(card);
    card.number.ptr = number;
    card.number.len = strlen(number);
    card.expiry_month = 12;
    card.expiry_year = 2040;
    PANSEAL_INIT(options);
    options.customer.ptr = "c-1";
    options.customer.len = 3;
    PANSEAL_INIT(made);
    PANSEAL_INIT(error);
    status = panseal_vault_tokenize(vault, &card, &options, &made, &error);
    if (status != PANSEAL_OK) {
        fprintf(stderr, "tokenize: %s (system code %ld)\n", panseal_status_text(status), (long)error.system);
        return 1;
    }
    printf("token %s %s\n", made.token, number);
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    panseal_open_options how;
    panseal_vault *vault;
    panseal_status status;
    char number[24];
    time_t end;
    int failed = 0, turn;

    if (argc != 5) {
        fprintf(stderr, "usage: %s VAULT ROOT SECONDS WRITER\n", argv[0]);
        return 2;
    }
    PANSEAL_INIT(how);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = argv[1];
    how.root = argv[2];
    how.actor = argv[4];
    how.busy_timeout_ms = 30000;
    status = panseal_vault_open(&how, &vault, NULL);
    if (status != PANSEAL_OK) {
        fprintf(stderr, "open: %s\n", panseal_status_text(status));
        return 1;
    }
    end = time(NULL) + atoi(argv[3]);
    for (turn = 0; !failed && time(NULL) < end; turn++) {
        make_number(number, turn * 7 % CARDS);
        failed = store(vault, number);
    }
    panseal_vault_close(vault);
    return failed;
}
