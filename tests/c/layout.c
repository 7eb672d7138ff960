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

    SIZE(panseal_span);
    FIELD(panseal_span, at);
    FIELD(panseal_span, len);

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
    FIELD(panseal_card, horizon_years);
    FIELD(panseal_card, grace_months);

    SIZE(panseal_card_info);
    FIELD(panseal_card_info, struct_size);
    FIELD(panseal_card_info, number_length);
    FIELD(panseal_card_info, network);
    FIELD(panseal_card_info, product);
    FIELD(panseal_card_info, masked);
    FIELD(panseal_card_info, last4);

    SIZE(panseal_holder);
    FIELD(panseal_holder, struct_size);
    FIELD(panseal_holder, reserved);
    FIELD(panseal_holder, surname);
    FIELD(panseal_holder, first);
    FIELD(panseal_holder, middle);
    FIELD(panseal_holder, title);

    SIZE(panseal_holder_parts);
    FIELD(panseal_holder_parts, struct_size);
    FIELD(panseal_holder_parts, reserved);
    FIELD(panseal_holder_parts, surname);
    FIELD(panseal_holder_parts, first);
    FIELD(panseal_holder_parts, middle);
    FIELD(panseal_holder_parts, title);

    SIZE(panseal_column);
    FIELD(panseal_column, struct_size);
    FIELD(panseal_column, width);
    FIELD(panseal_column, data);
    FIELD(panseal_column, offsets);
    FIELD(panseal_column, data_len);
    FIELD(panseal_column, count);

    SIZE(panseal_network_info);
    FIELD(panseal_network_info, struct_size);
    FIELD(panseal_network_info, network);
    FIELD(panseal_network_info, product);
    FIELD(panseal_network_info, fallback);
    FIELD(panseal_network_info, luhn);
    FIELD(panseal_network_info, lengths);
    FIELD(panseal_network_info, code_lengths);
    FIELD(panseal_network_info, cobadge_count);
    FIELD(panseal_network_info, cobadges);
    FIELD(panseal_network_info, name);
    FIELD(panseal_network_info, code_name);

    SIZE(panseal_partial);
    FIELD(panseal_partial, struct_size);
    FIELD(panseal_partial, digits);
    FIELD(panseal_partial, complete);
    FIELD(panseal_partial, luhn_ok);
    FIELD(panseal_partial, committed);
    FIELD(panseal_partial, lengths);
    FIELD(panseal_partial, possible_count);
    FIELD(panseal_partial, possible);

    SIZE(panseal_track);
    FIELD(panseal_track, struct_size);
    FIELD(panseal_track, format);
    FIELD(panseal_track, expiry_month);
    FIELD(panseal_track, expiry_year);
    FIELD(panseal_track, number);
    FIELD(panseal_track, name);
    FIELD(panseal_track, service_code);
    FIELD(panseal_track, discretionary);
    FIELD(panseal_track, end);
    FIELD(panseal_track, lrc);

    SIZE(panseal_hit);
    FIELD(panseal_hit, at);
    FIELD(panseal_hit, len);
    FIELD(panseal_hit, form);
    FIELD(panseal_hit, network);
    FIELD(panseal_hit, masked);

    SIZE(panseal_open_options);
    FIELD(panseal_open_options, struct_size);
    FIELD(panseal_open_options, flags);
    FIELD(panseal_open_options, url);
    FIELD(panseal_open_options, root);
    FIELD(panseal_open_options, merchant);
    FIELD(panseal_open_options, scheme);
    FIELD(panseal_open_options, actor);
    FIELD(panseal_open_options, root_fn);
    FIELD(panseal_open_options, root_userdata);
    FIELD(panseal_open_options, busy_timeout_ms);
    FIELD(panseal_open_options, reserved);
    FIELD(panseal_open_options, min_generation);
    FIELD(panseal_open_options, second_root);
    FIELD(panseal_open_options, commitment);

    SIZE(panseal_expect);
    FIELD(panseal_expect, struct_size);
    FIELD(panseal_expect, network);
    FIELD(panseal_expect, last4);

    SIZE(panseal_epoch);
    FIELD(panseal_epoch, struct_size);
    FIELD(panseal_epoch, id);
    FIELD(panseal_epoch, state);
    FIELD(panseal_epoch, slot);
    FIELD(panseal_epoch, created_at);
    FIELD(panseal_epoch, retired_at);
    FIELD(panseal_epoch, check);

    SIZE(panseal_tokenize_options);
    FIELD(panseal_tokenize_options, struct_size);
    FIELD(panseal_tokenize_options, reuse);
    FIELD(panseal_tokenize_options, scheme);
    FIELD(panseal_tokenize_options, customer);
    FIELD(panseal_tokenize_options, idempotency_key);
    FIELD(panseal_tokenize_options, metadata);
    FIELD(panseal_tokenize_options, keep_until);
    FIELD(panseal_tokenize_options, customer_limit);
    FIELD(panseal_tokenize_options, reserved);

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
    FIELD(panseal_instrument, damaged);
    FIELD(panseal_instrument, reserved);

    SIZE(panseal_query);
    FIELD(panseal_query, struct_size);
    FIELD(panseal_query, flags);
    FIELD(panseal_query, customer);
    FIELD(panseal_query, after);
    FIELD(panseal_query, offset);
    FIELD(panseal_query, reserved);

    SIZE(panseal_change);
    FIELD(panseal_change, struct_size);
    FIELD(panseal_change, fields);
    FIELD(panseal_change, expiry_month);
    FIELD(panseal_change, expiry_year);
    FIELD(panseal_change, name);
    FIELD(panseal_change, customer);
    FIELD(panseal_change, metadata);
    FIELD(panseal_change, keep_until);

    SIZE(panseal_purged);
    FIELD(panseal_purged, struct_size);
    FIELD(panseal_purged, reserved);
    FIELD(panseal_purged, instruments);
    FIELD(panseal_purged, cards);
    FIELD(panseal_purged, keys);
    FIELD(panseal_purged, damaged);

    SIZE(panseal_customer);
    FIELD(panseal_customer, struct_size);
    FIELD(panseal_customer, data_len);
    FIELD(panseal_customer, created_at);
    FIELD(panseal_customer, updated_at);
    FIELD(panseal_customer, deleted_at);
    FIELD(panseal_customer, id);
    FIELD(panseal_customer, reference);
    FIELD(panseal_customer, damaged);
    FIELD(panseal_customer, reserved);

    SIZE(panseal_vault_state);
    FIELD(panseal_vault_state, struct_size);
    FIELD(panseal_vault_state, schema);
    FIELD(panseal_vault_state, generation);
    FIELD(panseal_vault_state, cards);
    FIELD(panseal_vault_state, instruments);
    FIELD(panseal_vault_state, index);
    FIELD(panseal_vault_state, index_count);
    FIELD(panseal_vault_state, store);
    FIELD(panseal_vault_state, commitment);
    FIELD(panseal_vault_state, unindexed);
    FIELD(panseal_vault_state, require_actor);
    FIELD(panseal_vault_state, reserved);
    FIELD(panseal_vault_state, audit_head);

    SIZE(panseal_vault_epoch);
    FIELD(panseal_vault_epoch, struct_size);
    FIELD(panseal_vault_epoch, id);
    FIELD(panseal_vault_epoch, state);
    FIELD(panseal_vault_epoch, reserved);
    FIELD(panseal_vault_epoch, created_at);
    FIELD(panseal_vault_epoch, retired_at);
    FIELD(panseal_vault_epoch, cards);
    FIELD(panseal_vault_epoch, instruments);
    FIELD(panseal_vault_epoch, customers);
    FIELD(panseal_vault_epoch, credentials);
    FIELD(panseal_vault_epoch, check);

    SIZE(panseal_audit_query);
    FIELD(panseal_audit_query, struct_size);
    FIELD(panseal_audit_query, reserved);
    FIELD(panseal_audit_query, token);
    FIELD(panseal_audit_query, after);

    SIZE(panseal_audit_line);
    FIELD(panseal_audit_line, struct_size);
    FIELD(panseal_audit_line, reserved);
    FIELD(panseal_audit_line, at);
    FIELD(panseal_audit_line, id);
    FIELD(panseal_audit_line, action);
    FIELD(panseal_audit_line, actor);
    FIELD(panseal_audit_line, token);
    FIELD(panseal_audit_line, reason);

    SIZE(panseal_audit_report);
    FIELD(panseal_audit_report, struct_size);
    FIELD(panseal_audit_report, fault);
    FIELD(panseal_audit_report, merchants);
    FIELD(panseal_audit_report, chains);
    FIELD(panseal_audit_report, joined);
    FIELD(panseal_audit_report, unjoined);
    FIELD(panseal_audit_report, pruned);
    FIELD(panseal_audit_report, fault_chain);
    FIELD(panseal_audit_report, fault_seq);
    FIELD(panseal_audit_report, fault_id);
    FIELD(panseal_audit_report, fault_table);
    FIELD(panseal_audit_report, fault_merchant);

    SIZE(panseal_request);
    FIELD(panseal_request, struct_size);
    FIELD(panseal_request, flags);
    FIELD(panseal_request, now);
    FIELD(panseal_request, dialect);
    FIELD(panseal_request, settings);
    FIELD(panseal_request, method);
    FIELD(panseal_request, target);
    FIELD(panseal_request, headers);
    FIELD(panseal_request, body);
    FIELD(panseal_request, subject);
    FIELD(panseal_request, base);

    SIZE(panseal_response);
    FIELD(panseal_response, struct_size);
    FIELD(panseal_response, status);
    FIELD(panseal_response, failure);
    FIELD(panseal_response, system);
    FIELD(panseal_response, headers_len);
    FIELD(panseal_response, body_len);

    SIZE(panseal_grant);
    FIELD(panseal_grant, struct_size);
    FIELD(panseal_grant, reserved);
    FIELD(panseal_grant, dialect);
    FIELD(panseal_grant, subject);
    FIELD(panseal_grant, scopes);
    FIELD(panseal_grant, expires_at);

    SIZE(panseal_credential);
    FIELD(panseal_credential, struct_size);
    FIELD(panseal_credential, reserved);
    FIELD(panseal_credential, created_at);
    FIELD(panseal_credential, expires_at);
    FIELD(panseal_credential, revoked_at);
    FIELD(panseal_credential, id);
    FIELD(panseal_credential, dialect);
    FIELD(panseal_credential, subject);
    FIELD(panseal_credential, scopes);

    return 0;
}
