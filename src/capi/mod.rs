//! The C ABI: plain data in, plain data out, tickets for handles.
//!
//! The functions of each chapter of `include/panseal.h` are in the file of its name; the header is generated from
//! those. `ticket`, `pass` and `record` are what they share: handles, the way in and out of a call, and structs that
//! can grow. Everything else in panseal is unaware of C.

#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(clippy::missing_safety_doc, reason = "the contract is the header's, and no Rust program calls this")]

mod pass;
mod record;
mod ticket;

pub mod audit;
pub mod card;
pub mod customer;
pub mod damage;
pub mod dialect;
pub mod instrument;
pub mod keys;
pub mod library;
pub mod network;
pub mod reader;
pub mod scan;
pub mod tokenizer;
pub mod vault;
pub mod vault_keys;
