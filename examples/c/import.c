/* import.c - a list of card numbers in, a token for each out, in one transaction. C89.
 *
 *     import VAULT ROOT < NUMBERS
 *
 * Reads up to 1000 lines with a card number each, and writes a line for each: the token and the number as it may be
 * displayed, or what is wrong with it. VAULT and ROOT are there already, made for instance by tokenize.c. A card that
 * is here already keeps its token.
 */
#include <stdio.h>
#include <string.h>

#include "panseal.h"

enum { ROWS = 1000, WIDTH = 32 };

static char lines[ROWS][WIDTH];
static panseal_card cards[ROWS];
static panseal_instrument made[ROWS];
static panseal_status status[ROWS];

/* Reads without stdio's buffer, of which nobody would wipe the copy. A line that is too long is cut: no number is that
 * long, and it is refused. */
static size_t read_lines(void)
{
    size_t count = 0, len = 0;
    int c;

    setvbuf(stdin, NULL, _IONBF, 0);
    while (count < ROWS && (c = getchar()) != EOF) {
        if (c == '\n') {
            cards[count++].number.len = len;
            len = 0;
        } else if (c != '\r' && len < WIDTH) {
            lines[count][len++] = (char)c;
        }
    }
    if (len > 0 && count < ROWS) {
        cards[count++].number.len = len;
    }
    return count;
}

static int import(panseal_vault *vault)
{
    panseal_tokenize_options options;
    panseal_status done;
    size_t i, count;

    for (i = 0; i < ROWS; i++) {
        PANSEAL_INIT(cards[i]);
        cards[i].number.ptr = lines[i];
    }
    count = read_lines();
    PANSEAL_INIT(options);
    options.reuse = PANSEAL_REUSE_MERCHANT;
    PANSEAL_INIT(made[0]);
    done = panseal_vault_tokenize_many(vault, cards, count, &options, 1, made, status, NULL);
    panseal_wipe(lines, sizeof lines);
    if (done != PANSEAL_OK) {
        fprintf(stderr, "import: %s\n", panseal_status_text(done));
        return 1;
    }
    for (i = 0; i < count; i++) {
        if (status[i] == PANSEAL_OK) {
            printf("%s %s%s\n", made[i].token, made[i].masked, made[i].reused ? " (known)" : "");
        } else {
            printf("- %s\n", panseal_status_text(status[i]));
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    panseal_open_options how;
    panseal_vault *vault;
    panseal_status status_of_open;
    int result;

    if (argc != 3) {
        fprintf(stderr, "usage: %s sqlite:PATH file:PATH < NUMBERS\n", argv[0]);
        return 2;
    }
    PANSEAL_INIT(how);
    how.url = argv[1];
    how.root = argv[2];
    how.actor = "import";
    status_of_open = panseal_vault_open(&how, &vault, NULL);
    if (status_of_open != PANSEAL_OK) {
        fprintf(stderr, "open: %s\n", panseal_status_text(status_of_open));
        return 1;
    }
    result = import(vault);
    panseal_vault_close(vault);
    return result;
}
