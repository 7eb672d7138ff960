//! SumUp's API: any request is answered, in JSON, without a card number, and stores nothing where it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal_fuzz::dialect::ask;

fuzz_target!(|input: &[u8]| {
    let targets = ["/v0.1/customers/c-1/payment-instruments", "/v0.1/customers", "/v0.1/customers/c-1"];
    ask("sumup", &targets, input);
});
