/* A card from the keyboard to the vault and back, in C89. argv[1] is an empty directory. */
#include <panseal.h>
#include <stdio.h>
#include <string.h>

static const char number[] = "4242 4242 4242 4242";
static const char digits[] = "4242424242424242";
static const char reason[] = "refund 7";

static int failures;

/* Says what went wrong, and counts it. */
static void must(int holds, const char *what, int code)
{
    if (!holds) {
        printf("%s: %s\n", what, panseal_status_text(code));
        ++failures;
    }
}

static void check_a_card(void)
{
    panseal_card card;
    panseal_card_info info;
    panseal_error err;
    panseal_status status;
    char masked[PANSEAL_MASK_MAX + 1];
    size_t len = 0;

    PANSEAL_INIT(card);
    PANSEAL_INIT(info);
    PANSEAL_INIT(err);
    card.number.ptr = number;
    card.number.len = strlen(number);
    status = panseal_card_check(&card, &info, &err);
    must(status == PANSEAL_OK, "check", status);
    must(info.number_length == 16 && strcmp(info.last4, "4242") == 0, "check: last4", status);
    must(strcmp(info.network, "VISA") == 0, "check: network", status);

    card.number.ptr = "4242424242424241";
    card.number.len = 16;
    status = panseal_card_check(&card, &info, &err);
    must(status == PANSEAL_E_CARD && err.code == status, "check: a wrong digit", status);
    must(err.violation_count == 1, "check: one violation", status);
    must(err.violations[0].param == PANSEAL_PARAM_NUMBER, "check: of the number", err.violations[0].param);
    must(err.violations[0].code == PANSEAL_E_LUHN, "check: by Luhn", err.violations[0].code);

    status = panseal_card_mask(digits, 16, 0, masked, sizeof masked, &len);
    must(status == PANSEAL_OK && len == 16, "mask", status);
    must(strcmp(masked, "424242******4242") == 0, "mask: text", status);
}

static void keep_a_card(const char *directory)
{
    char url[512], root[512], number_out[PANSEAL_PAN_MAX];
    panseal_open_options how;
    panseal_card card;
    panseal_instrument made, found;
    panseal_error err;
    panseal_vault *vault = NULL;
    panseal_status status;
    size_t token_len, len = 0;

    sprintf(url, "sqlite:%.400s/cards.db", directory);
    sprintf(root, "file:%.400s/cards.root", directory);
    PANSEAL_INIT(err);
    status = panseal_root_create(root, &err);
    must(status == PANSEAL_OK && err.code == PANSEAL_OK, "root_create", status);

    PANSEAL_INIT(how);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = url;
    how.root = root;
    status = panseal_vault_open(&how, &vault, &err);
    must(status == PANSEAL_OK && vault != NULL, "open", status);

    PANSEAL_INIT(card);
    card.number.ptr = number;
    card.number.len = strlen(number);
    card.expiry_month = 12;
    card.expiry_year = 2031;
    card.now = 1893456000; /* 2030-01-01 */
    card.cvv.ptr = "123";
    card.cvv.len = 3;
    PANSEAL_INIT(made);
    status = panseal_vault_tokenize(vault, &card, NULL, &made, &err);
    must(status == PANSEAL_OK, "tokenize", status);
    token_len = strlen(made.token);
    must(token_len > 0 && made.active == 1 && made.reused == 0, "tokenize: instrument", status);
    must(strstr(made.token, digits) == NULL, "tokenize: no number in the token", status);

    PANSEAL_INIT(found);
    status = panseal_vault_lookup(vault, made.token, token_len, &found, &err);
    must(status == PANSEAL_OK, "lookup", status);
    must(strcmp(found.token, made.token) == 0 && strcmp(found.last4, "4242") == 0, "lookup: card", status);
    must(found.expiry_month == 12 && found.expiry_year == 2031, "lookup: expiry", status);

    status = panseal_vault_detokenize(vault, made.token, token_len, reason, strlen(reason), number_out, sizeof number_out, &len, &err);
    must(status == PANSEAL_OK && len == 16, "detokenize into as much room as any number needs", status);
    must(memcmp(number_out, digits, 16) == 0, "detokenize: number", status);
    panseal_wipe(number_out, sizeof number_out);
    must(number_out[0] == 0 && number_out[15] == 0, "wipe", 0);

    status = panseal_vault_deactivate(vault, made.token, token_len, &err);
    must(status == PANSEAL_OK, "deactivate", status);
    PANSEAL_INIT(found);
    status = panseal_vault_lookup(vault, made.token, token_len, &found, &err);
    must(status == PANSEAL_OK && found.active == 0, "lookup of an inactive one", status);
    status = panseal_vault_detokenize(vault, made.token, token_len, reason, strlen(reason), number_out, sizeof number_out, &len, &err);
    must(status == PANSEAL_E_INACTIVE && err.code == status, "detokenize of an inactive one", status);

    status = panseal_vault_close(vault);
    must(status == PANSEAL_OK, "close", status);
    status = panseal_vault_close(vault);
    must(status == PANSEAL_E_HANDLE, "close again", status);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        printf("usage: smoke_c89 DIRECTORY\n");
        return 2;
    }
    must(panseal_abi() >= PANSEAL_ABI, "abi", 0);
    must(strlen(panseal_version()) > 0, "version", 0);
    check_a_card();
    keep_a_card(argv[1]);
    printf("%d failed\n", failures);
    return failures != 0;
}
