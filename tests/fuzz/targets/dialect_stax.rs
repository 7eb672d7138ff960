//! Stax's API: any request is answered, in JSON, without a card number, and stores nothing where it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal_fuzz::dialect::ask;

fuzz_target!(|input: &[u8]| {
    let targets = [
        "/payment-method",
        "/payment-method/0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01",
        "/customer",
        "/customer/0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01",
        "/customer/0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01/payment-method",
        "/payment-method?page=2&perPage=3",
    ];
    ask("stax", &targets, input);
});
