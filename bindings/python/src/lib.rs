//! The Python artifact: the extension module `panseal._native`, of which the package `panseal` shows the public part.
//!
//! Card data is read inside a border call: in place where nobody can change it, else out of a copy, in a secret of a
//! fixed size or a block that the allocator wipes. It never becomes a `String` or a Python object on its way.

#![deny(unsafe_code)]

mod arrow;
mod audit;
mod batch;
mod callable;
mod card;
mod check;
mod damage;
mod dialect;
mod display;
mod errors;
mod expiry;
mod holder;
mod input;
mod instrument;
mod items;
mod network;
mod reader;
mod root;
mod scan;
mod secret;
mod store;
mod stored;
mod tokenizer;
mod vault;

use pyo3::prelude::*;

/// Every block of memory is wiped when it is freed.
#[global_allocator]
static ALLOCATOR: panseal::secret::alloc::Wiping = panseal::secret::alloc::Wiping::new();

/// The compiled part of panseal; import `panseal` instead.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::audit::{AuditFault, AuditReport};
    #[pymodule_export]
    use super::batch::{CheckMany, check_many};
    #[pymodule_export]
    use super::check::{CheckReport, Violation, check};
    #[pymodule_export]
    use super::damage::{Damage, Reindexed, Rewrapped, VaultReport};
    #[pymodule_export]
    use super::dialect::{BearerKey, Credential, Response, dialects};
    #[pymodule_export]
    use super::display::{group, mask, truncate};
    #[pymodule_export]
    use super::expiry::{Expiry, parse_expiry};
    #[pymodule_export]
    use super::holder::{Holder, parse_holder, track_name, write_holder};
    #[pymodule_export]
    use super::instrument::Instrument;
    #[pymodule_export]
    use super::network::{Network, NetworkInfo, Partial, aid_network, network, networks, partial};
    #[pymodule_export]
    use super::reader::{
        ChipCard, ServiceCode, Track, emv_sequence_number, emv_service_code, find_tlv, iso8583_expiry,
        iso8583_number, iso8583_track2, parse_track, read_chip, read_record, unpack_bcd,
    };
    #[pymodule_export]
    use super::root::{create_root_key, split_root_key};
    #[pymodule_export]
    use super::scan::{Hit, Scanner, holds_card_number, scan};
    #[pymodule_export]
    use super::secret::Secret;
    #[pymodule_export]
    use super::stored::{AuditLine, Customer, Details, Purged, VaultEpoch, VaultStatus};
    #[pymodule_export]
    use super::tokenizer::{DetokenizeMany, Epoch, KeyringStatus, Shapes, TokenizeMany, Tokenizer, classify};
    #[pymodule_export]
    use super::vault::Vault;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const table_version: u32 = panseal::card::table_version();

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const table_date: &str = panseal::card::table_date();
}
