//! WebPay's API: any request is answered, in JSON, without a card number, and stores nothing where it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal_fuzz::dialect::ask;

fuzz_target!(|input: &[u8]| {
    let targets = [
        "/v2/tokens",
        "/v2/customers",
        "/v2/customers/0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01",
        "/v2/customers/0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01/payment-methods",
        "/v2/merchants/customers/mc-1",
        "/v2/payment-methods?limit=3",
    ];
    ask("webpay", &targets, input);
});
