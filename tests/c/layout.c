/* Prints the size of every struct of the header and the place of every field, one a line. */
#include <panseal.h>
#include <stdio.h>

#define SIZE(type) printf("%s %lu\n", #type, (unsigned long)sizeof(type))
#define FIELD(type, field) \
    printf("%s.%s %lu %lu\n", #type, #field, (unsigned long)offsetof(type, field), \
           (unsigned long)sizeof(((type *)0)->field))

int main(void)
{
    SIZE(panseal_violation);
    FIELD(panseal_violation, param);
    FIELD(panseal_violation, code);

    SIZE(panseal_error);
    FIELD(panseal_error, struct_size);
    FIELD(panseal_error, code);
    FIELD(panseal_error, system);
    FIELD(panseal_error, violation_count);
    FIELD(panseal_error, violations);

    SIZE(panseal_text);
    FIELD(panseal_text, ptr);
    FIELD(panseal_text, len);

    SIZE(panseal_card);
    FIELD(panseal_card, struct_size);
    FIELD(panseal_card, flags);
    FIELD(panseal_card, expiry_month);
    FIELD(panseal_card, expiry_year);
    FIELD(panseal_card, now);
    FIELD(panseal_card, number);
    FIELD(panseal_card, cvv);
    FIELD(panseal_card, name);
    FIELD(panseal_card, postal_code);

    SIZE(panseal_card_info);
    FIELD(panseal_card_info, struct_size);
    FIELD(panseal_card_info, number_length);
    FIELD(panseal_card_info, network);
    FIELD(panseal_card_info, product);
    FIELD(panseal_card_info, masked);
    FIELD(panseal_card_info, last4);

    SIZE(panseal_open_options);
    FIELD(panseal_open_options, struct_size);
    FIELD(panseal_open_options, flags);
    FIELD(panseal_open_options, url);
    FIELD(panseal_open_options, root);
    FIELD(panseal_open_options, merchant);
    FIELD(panseal_open_options, scheme);
    FIELD(panseal_open_options, actor);
    FIELD(panseal_open_options, busy_timeout_ms);
    FIELD(panseal_open_options, reserved);

    SIZE(panseal_tokenize_options);
    FIELD(panseal_tokenize_options, struct_size);
    FIELD(panseal_tokenize_options, reuse);
    FIELD(panseal_tokenize_options, scheme);
    FIELD(panseal_tokenize_options, customer);

    SIZE(panseal_instrument);
    FIELD(panseal_instrument, struct_size);
    FIELD(panseal_instrument, active);
    FIELD(panseal_instrument, reused);
    FIELD(panseal_instrument, expiry_month);
    FIELD(panseal_instrument, expiry_year);
    FIELD(panseal_instrument, epoch);
    FIELD(panseal_instrument, created_at);
    FIELD(panseal_instrument, keep_until);
    FIELD(panseal_instrument, token);
    FIELD(panseal_instrument, customer);
    FIELD(panseal_instrument, network);
    FIELD(panseal_instrument, masked);
    FIELD(panseal_instrument, last4);
    return 0;
}
