#!/usr/bin/env bash
# WebPay by `curl`, with digests that `openssl` makes: no public client calls POST /v2/tokens.
set -euo pipefail

# Says whether a promise holds: what, found, wanted.
expect() {
    if [ "$2" = "$3" ]; then echo "ok     $1"; else echo "FAILED $1: '$2', not '$3'"; fi
}

# The digest of key, time, token, path and body, joined as they are.
digest() {
    printf '%s' "$WEBPAY_KEY$1$WEBPAY_TOKEN$2$3" | openssl dgst -sha512 -r | cut -d ' ' -f 1
}

# Sends a request with this Authorization: method, URL, body. Leaves `status` and `body`.
send() {
    local given=()
    [ -z "$4" ] || given=(--data-binary @-)
    body=$(printf '%s' "$4" | curl --silent --show-error --request "$2" "$URL$3" "${given[@]}" \
        --header "Authorization: $1" --header "Content-Type: ${media:-application/json}" \
        --header "Accept: ${media:-application/json}" --write-out '\n%{http_code}')
    status=${body##*$'\n'} body=${body%$'\n'*}
}

# Signs for the time `at` and sends: method, path behind the mount, body.
signed() {
    send "WP3-v2.1 $WEBPAY_TOKEN $at $(digest "$at" "$2" "${3-}")" "$1" "/webpay$2" "${3-}"
}

# A member of `body` that is a text, or how often it stands there.
text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$body"; }
count() { grep -o "\"$1\":" <<<"$body" | wc -l; }

refused='{"status":"error","message":"Authorization failed"}'

# The published vector, and others of the same keys. They are of June 2020: /then is a mount where it always is.
spare='{"type":"card","card":{"pan":"'$VISA'","expiration_date":"3012"},"metadata":{"description":"spare"}}'
of_payment=bd120476c656a8ec3ce5d6a150f17061d03a8e280b0fbba278a73a15066830562f73ce5536882c9222e265f1ff6c2df6\
29173375b549cba5a9275b08686f32ea
of_token=c00ea52a8bfb137646040f082a9dcfbe364cab2cd1d11c44ac214a848a7f730871e3c499585ba229a077b681f1c2d3c6\
6be4303a51b514629a96a33328b80771
of_token_v2=efcab0f9136bde35644a9cbd3bbba585528f86e4187cfed60a334c2752e96761301a36e5fbec2a5535244b87c501\
0619c761f5e18ba6daa6b4e1b52a8430c297
of_list=7690589cfb84e03d8a5cbef609671baa87878c87c567c2963db694190f330c5794ff3db04b45bd55489f32f806950517\
1312677f5c17daf18b1276d3ddf7b83f
list='/v2/customers?limit=10&offset=0'
expect 'our digest is the published one' "$(digest "$THEN" /v2/payment/new '{"example":"1"}')" $of_payment
expect 'of a token' "$(digest "$THEN" /v2/tokens "$spare")" $of_token
expect 'of a token, the older way' "$(digest "$THEN" '' "$spare")" $of_token_v2
expect 'of a list' "$(digest "$THEN" "$list" '')" $of_list

then="$WEBPAY_TOKEN $THEN"
send "WP3-v2.1 $then $of_payment" POST /then/webpay/v2/payment/new '{"example":"1"}'
expect 'the published digest is accepted, for what is not served' "$status" 404
send "WP3-v2.1 $then ${of_payment%?}b" POST /then/webpay/v2/payment/new '{"example":"1"}'
expect 'with another digit it is not' "$status $body" "401 $refused"
send "WP3-v2.1 $then $of_token" POST /then/webpay/v2/tokens "$spare "
expect 'nor is it over another body' "$status $body" "401 $refused"
send "WP3-v2.1 $then $of_token" POST /then/webpay/v2/tokens "$spare"
expect 'the digest of a token makes one' "$status $(text status) $(text masked_pan)" '200 approved 411111****1111'
expect 'kept until the card is over' "$(text keep_until) $(text expiration_date)" '2031-01-01T00:00:00Z 3012'
token=$(text token)
expect 'of 48 characters' "$(grep -cx '[0-9a-f]\{48\}' <<<"$token")" 1
send "WP3-v2.1 $then $of_token" POST /then/webpay/v2/tokens "$spare"
expect 'and none when it comes again' "$status $body" "401 $refused"
for round in first second; do
    send "WP3-v2.1 $then $of_list" GET "/then/webpay$list" ''
    expect "the digest of a list serves the $round time" "$status $(text status)" '200 approved'
done
send "WP3-v2 $then $of_token_v2" POST /then/webpay/v2/tokens "$spare"
expect 'the older digest is refused' "$status $body" "401 $refused"
send "WP3-v2 $then $of_token_v2" POST /then/webpay-with-v2/v2/tokens "$spare"
expect 'and accepted where it was turned on' "$status $(text status)" '200 approved'
send "WP3-v2 $then $of_token_v2" POST /then/webpay-with-v2/v2/tokens "$spare"
expect 'once' "$status $body" "401 $refused"
send "WP3-v2.1 $then $of_list" GET "/webpay$list" ''
expect 'today they are too old' "$status $body" "401 $refused"

# Today.
at=$(date +%s)
card='{"type":"card","card":{"pan":"'$MASTERCARD'","expiration_date":"3004"},"metadata":{"order":"7"}}'
signed POST /v2/tokens "$card"
expect 'a token is made' "$status $(text status) $(text masked_pan)" '200 approved 555555****4444'
expect 'until the card is over' "$(text keep_until) $(text expiration_date)" '2030-05-01T00:00:00Z 3004'
token=$(text token)
signed POST /v2/tokens "$card"
expect 'the same request again is refused' "$status $body" "401 $refused"
at=$((at + 1))
signed POST /v2/tokens "$card"
expect 'one of another second is not' "$status $(text status)" '200 approved'
expect 'and gets another token' "$([ "$(text token)" != "$token" ] && echo yes)" yes
at=$((at + 1))
signed POST /v2/tokens '{"type":"card","card":{"pan":"'${VISA%?}2'","expiration_date":"3004"}}'
expect 'a wrong check digit' "$status $body" '400 {"status":"invalid-request","message":"Pan is invalid"}'
at=$(($(date +%s) - 16 * 60))
signed POST /v2/tokens "$card"
expect 'a signature of 16 minutes ago' "$status $body" "401 $refused"
at=$(($(date +%s) * 1000))
signed POST /v2/tokens "$card"
expect 'one in milliseconds' "$status $body" "401 $refused"

at=$(date +%s)
customer='{"merchant_customer_id":"w-'$ID'","name":"Ada Byron","email":"ada@example.org","country":"GB"}'
signed POST /v2/customers "$customer"
expect 'a customer is created' "$status $(text status) $(text name)" '200 approved Ada Byron'
uuid=$(text uuid)
signed GET "/v2/customers/$uuid"
expect 'and found' "$status $(text merchant_customer_id)" "200 w-$ID"
signed GET "/v2/merchants/customers/w-$ID"
expect 'by the merchant'\''s own id too' "$status $(text uuid)" "200 $uuid"
signed POST "/v2/customers/$uuid" '{"city":"Leeds"}'
expect 'and changed' "$status $(text city) $(text name)" '200 Leeds Ada Byron'
signed GET '/v2/customers?limit=100&offset=0'
expect 'and listed' "$status $(grep -c "\"uuid\":\"$uuid\"" <<<"$body")" '200 1'
signed GET "/v2/customers/$uuid/payment-methods?limit=10&offset=0"
expect 'without payment methods' "$status $body" '200 {"status":"approved","data":[]}'
signed GET '/v2/payment-methods?limit=100&offset=0'
expect 'the merchant has some' "$status $([ "$(count masked_pan)" -ge 3 ] && echo yes)" '200 yes'
expect 'with six stars in their masks' "$(grep -c '"555555\*\*\*\*\*\*4444"' <<<"$body")" 1

# A token goes to PACE.
media=application/vnd.api+json
send "Bearer $PACE_KEY_OF_ANOTHER" POST /pace/pay/2020-4/payment-methods/creditcard \
    '{"data":{"type":"paymentMethod","attributes":{"kind":"creditcard","cardToken":"'"$token"'"}}}'
expect 'PACE registers the token' "$status $(text identificationString)" '201 Mastercard **** **** **** 4444'
media=
signed GET '/v2/payment-methods?limit=100&offset=0'
expect 'and WebPay lists it as that user'\''s' "$status $(grep -c '"user-2"' <<<"$body")" '200 1'

signed DELETE "/v2/customers/$uuid"
expect 'what was signed to read does not delete' "$status $body" "401 $refused"
at=$((at + 1))
signed DELETE "/v2/customers/$uuid"
expect 'a customer is deleted' "$status $body" '200 {"status":"approved","uuid":"'"$uuid"'","deleted":true}'
